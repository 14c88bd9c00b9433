#include "tokenizer/tiktoken.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<i32>;

std::string base64(std::string_view bytes) {
  constexpr std::string_view kBase64Digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    u32 bits = 0;
    for (size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (i + j < bytes.size() ? static_cast<u8>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      text += i + j <= bytes.size() ? kBase64Digits[bits >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

/// All bytes, ids 0-255, then `tokens`.
std::string model_of(const std::vector<std::string>& tokens) {
  std::string text;
  int rank = 0;
  for (; rank < 256; ++rank) {
    text += base64(std::string(1, static_cast<char>(rank))) + " " + std::to_string(rank) + "\n";
  }
  for (const std::string& token : tokens)
    text += base64(token) + " " + std::to_string(rank++) + "\n";
  return text;
}

TokenizerConfig moonshot_config() {
  TokenizerConfig config;
  config.tokenizer_class = "TikTokenTokenizer";
  return config;
}

Tokenizer load(const std::vector<std::string>& tokens) {
  return value_or_throw(Tokenizer::from_spec(
      value_or_throw(parse_tiktoken_model(model_of(tokens), moonshot_config(), "t.model")),
      "t.model"));
}

TEST(Tiktoken, MergesByTheRankOfTheResult) {
  const Tokenizer tokenizer = load({"bc", "ab", "abc", "cab"});  // ids 256..259
  EXPECT_EQ(tokenizer.encode("abc"), Ids{258});                  // whole pieces first
  EXPECT_EQ(tokenizer.encode("abcc"), (Ids{258, 'c'}));          // bc, then a + bc
  EXPECT_EQ(tokenizer.encode("cabc"), (Ids{'c', 258}));
  EXPECT_EQ(tokenizer.vocab_size(), 260 + 258);
}

TEST(Tiktoken, SplitsHanApartAndKeepsContractions) {
  const Tokenizer tokenizer = load({"'s", "it's", " it's", "的x"});
  EXPECT_EQ(tokenizer.encode("it's it's"), (Ids{257, 258}));
  EXPECT_EQ(tokenizer.encode("的x").size(), 4u);  // never one piece, so never one token
}

TEST(Tiktoken, SpecialTokensFollowTheVocabulary) {
  TokenizerConfig config = moonshot_config();
  config.added_tokens_decoder = {{.id = 257, .content = "<|im_end|>"}};
  const Tokenizer tokenizer = value_or_throw(Tokenizer::from_spec(
      value_or_throw(parse_tiktoken_model(model_of({}), config, "t.model")), "t.model"));
  EXPECT_EQ(tokenizer.encode("<|im_end|><|reserved_token_258|>"), (Ids{257, 258}));
  EXPECT_TRUE(tokenizer.is_special(257));
  EXPECT_EQ(tokenizer.encode("<|im_end|>", {.text = TextKind::kPlain}).size(), 10u);
}

TEST(Tiktoken, LoadsFromADirectoryWithoutTokenizerJson) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "fathom_tiktoken_test";
  std::filesystem::create_directories(folder);
  std::filesystem::remove(folder / "tokenizer_config.json");
  std::ofstream(folder / "tiktoken.model") << model_of({"ab"});
  EXPECT_THAT(Tokenizer::load_model(folder.string()).error().message(),
              HasSubstr("tokenizer_config.json"));
  std::ofstream(folder / "tokenizer_config.json") << R"({"tokenizer_class": "TikTokenTokenizer",
             "added_tokens_decoder": {"258": {"content": "[EOS]"}, "257": {"content": "[BOS]"}}})";
  const Tokenizer tokenizer = value_or_throw(Tokenizer::load_model(folder.string()));
  EXPECT_EQ(tokenizer.encode("[BOS]ab[EOS]"), (Ids{257, 256, 258}));
  EXPECT_THROW(tokenizer.save((folder / "saved.json").string()), Error);
  std::filesystem::remove_all(folder);
  EXPECT_THAT(Tokenizer::load_model(folder.string()).error().message(),
              HasSubstr("tokenizer.json"));
}

TEST(Tiktoken, BrokenFilesAreRefused) {
  const auto verdict = [](const std::string& text) {
    auto spec = parse_tiktoken_model(text, moonshot_config(), "t.model");
    if (!spec) return spec.error().message();
    const auto tokenizer = Tokenizer::from_spec(std::move(*spec), "t.model");
    return tokenizer ? "loaded" : tokenizer.error().message();
  };
  const std::string good = model_of({"ab"});
  EXPECT_EQ(verdict(good), "loaded");
  EXPECT_THAT(verdict(""), HasSubstr("0 tokens, expected at least the 256 bytes"));
  EXPECT_THAT(verdict(good + "YWI= 300\n"), HasSubstr("token 257: expected a line \"BASE64 257\""));
  EXPECT_THAT(verdict(good + "YWI= 257\n"), HasSubstr("has two ids, 256 and 257"));
  for (const char* line :
       {"YWJ", "YWJj", "YW=j 257", "Y*Jj 257", " 257", "YWJj -1", "YWJj 257 x"}) {
    EXPECT_THAT(verdict(good + line), HasSubstr("token 257: expected")) << line;
  }
  EXPECT_THAT(verdict(good + base64(std::string(5000, 'x')) + " 257"), HasSubstr("4096 bytes"));
  const auto other = parse_tiktoken_model(good, TokenizerConfig{}, "t.model");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(other.error().message(), HasSubstr("expected tokenizer_class \"TikTokenTokenizer\""));
}

}  // namespace
}  // namespace fathom::tokenizer
