// The golden tokenizer as a GGUF file's metadata, against its tokenizer.json.
#include "tokenizer/gguf/gguf_tokenizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/gguf/file.h"
#include "testing/golden_directory.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/gguf/pre_tokenizers.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {
namespace {

using testing::golden_directory;
using ::testing::HasSubstr;

class GgufTokenizer : public ::testing::Test {
 protected:
  std::string path_ = (golden_directory("gguf") / "tokenizer.gguf").string();
  Tokenizer ours_ = value_or_throw(Tokenizer::load_model(path_));
  Tokenizer json_ =
      value_or_throw(Tokenizer::load((golden_directory("tokenizer") / "tokenizer.json").string()));
};

TEST_F(GgufTokenizer, IdsAreThoseOfTheTokenizerJson) {
  ASSERT_EQ(ours_.vocab_size(), json_.vocab_size());
  for (const char* text :
       {"Hello, world! 12345", "  two  spaces\n\n\ttab", "\u4e2d\u6587 \u3042 caf\u00e9",
        "<\uff5cUser\uff5c>hi<\uff5cAssistant\uff5c>", "it's We'LL 3.14", ""}) {
    for (const TextKind kind : {TextKind::kMarkup, TextKind::kPlain}) {
      const std::vector<i32> ids = ours_.encode(text, {.text = kind});
      EXPECT_EQ(ids, json_.encode(text, {.text = kind})) << text;
      EXPECT_EQ(ours_.decode(ids), json_.decode(ids)) << text;
    }
  }
}

TEST_F(GgufTokenizer, SpecialTokensAndTemplateAreItsMetadata) {
  EXPECT_TRUE(ours_.is_special(0));
  EXPECT_EQ(ours_.encode("x", {.add_special_tokens = true}).front(), 0);
  const TokenizerConfig config = value_or_throw(load_tokenizer_config(path_));
  EXPECT_EQ(config.bos_token, ours_.token_spelling(0));
  EXPECT_EQ(config.eos_token, ours_.token_spelling(1));
  EXPECT_EQ(config.pad_token, std::nullopt);
  EXPECT_EQ(config.add_bos_token, true);
  EXPECT_EQ(config.chat_template, "{{ a template }}");
}

TEST(GgufPreTokenizer, UnknownNamesAreRefusedAndKnownOnesListed) {
  const auto unknown = gguf_pre_tokenizer("other\n", "m.gguf");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(unknown.error().message(),
            "m.gguf: tokenizer.ggml.pre is \"other?\", expected one of deepseek-llm, "
            "deepseek-coder, deepseek-v3, deepseek-r1-qwen, qwen2, qwen35, kimi-k2, gpt-2, "
            "llama-bpe, llama3, llama-v3, smollm; another's would give other ids");
}

/// The pieces of `text`, separated by '|'.
std::string pieces(std::string_view name, std::string_view text) {
  std::string out;
  value_or_throw(gguf_pre_tokenizer(name, "m.gguf")).split(text, [&](std::string_view piece) {
    out.append(out.empty() ? "" : "|").append(piece);
  });
  return out;
}

TEST(GgufPreTokenizer, EachNameCutsAsItsModelsDo) {
  constexpr std::string_view kText = "It's 1234 We'LL\n\n  x";
  EXPECT_EQ(pieces("smollm", kText), "It|'s| |1|2|3|4| We|'|LL|\n\n | x");
  EXPECT_EQ(pieces("gpt-2", kText), "It|'s| 1234| We|'|LL|\n\n | x");
  EXPECT_EQ(pieces("llama-bpe", kText), "It|'s| |123|4| We|'LL|\n\n| | x");
  EXPECT_EQ(pieces("deepseek-r1-qwen", kText), "It|'s| |1|2|3|4| We|'LL|\n\n| | x");
  EXPECT_EQ(pieces("qwen2", kText), pieces("deepseek-r1-qwen", kText));
  EXPECT_EQ(pieces("deepseek-llm", kText), "It|'|s| |1|2|3|4| We|'|LL|\n|\n| | x");
  EXPECT_EQ(pieces("kimi-k2", kText), "It's| |123|4| We'LL|\n\n| | x");
  // From tokenizers with the published stages; Kimi's from Python's regex.
  constexpr std::string_view kScripts = "Ⅷ٣ é中文, a.b(c)\r\n 한국 e\u0301x!";
  EXPECT_EQ(pieces("qwen2", kScripts), "Ⅷ|٣| é中文|,| a|.b|(c|)\r\n| 한국| e|\u0301x|!");
  EXPECT_EQ(pieces("qwen35", kScripts), "Ⅷ|٣| é中文|,| a|.b|(c|)\r\n| 한국| e\u0301x|!");
  EXPECT_EQ(pieces("deepseek-llm", kScripts),
            "Ⅷ|٣| é|中文|,| a|.|b|(|c|)|\r|\n| |한국| e|\u0301|x|!");
  EXPECT_EQ(pieces("deepseek-coder", kScripts), pieces("deepseek-llm", kScripts));
  EXPECT_EQ(pieces("kimi-k2", kScripts), "Ⅷ٣| é|中文|,| a|.b|(c|)\r\n| 한국| e\u0301x|!");
}

TEST(GgufPreTokenizer, TheNameSaysWhatElseItsModelsDo) {
  const auto kind = [](std::string_view name) {
    return value_or_throw(gguf_tokenizer_kind(name, "m"));
  };
  for (const std::string_view name : {"llama-bpe", "llama3", "llama-v3"}) {
    EXPECT_TRUE(kind(name).ignore_merges && kind(name).adds_bos && !kind(name).normalizes) << name;
  }
  EXPECT_FALSE(kind("smollm").ignore_merges || kind("smollm").adds_bos);
  EXPECT_TRUE(kind("qwen2").normalizes && !kind("deepseek-r1-qwen").normalizes);
  EXPECT_TRUE(kind("kimi-k2").is_tiktoken && !kind("qwen2").is_tiktoken);
}

/// Metadata with a tokenizer of three tokens, one pair replaced.
io::gguf::Metadata metadata_with(std::string_view key, io::gguf::Value value) {
  using io::gguf::ValueType;
  io::gguf::Metadata metadata("m.gguf");
  metadata.add(key, std::move(value));
  metadata.add("tokenizer.ggml.model", {.type = ValueType::kString, .text = "gpt2"});
  metadata.add("tokenizer.ggml.pre", {.type = ValueType::kString, .text = "gpt-2"});
  metadata.add("tokenizer.ggml.tokens", {.type = ValueType::kArray,
                                         .element = ValueType::kString,
                                         .count = 3,
                                         .strings = {"a", "b", "ab"}});
  metadata.add(
      "tokenizer.ggml.merges",
      {.type = ValueType::kArray, .element = ValueType::kString, .count = 1, .strings = {"a b"}});
  return metadata;
}

Result<TokenizerSpec> spec_with(std::string_view key, io::gguf::Value value) {
  return gguf_tokenizer_spec(metadata_with(key, std::move(value)));
}
Result<TokenizerConfig> config_with(std::string_view key, io::gguf::Value value) {
  return gguf_tokenizer_config(metadata_with(key, std::move(value)));
}

TEST(GgufTokenizerSpec, NfcAndBosWhereTheNameSaysSo) {
  using io::gguf::ValueType;
  const auto named = [](std::string_view pre) {
    return io::gguf::Value{.type = ValueType::kString, .text = pre};
  };
  EXPECT_FALSE(value_or_throw(spec_with("tokenizer.ggml.pre", named("qwen2"))).normalizer.empty());
  EXPECT_TRUE(value_or_throw(spec_with("tokenizer.ggml.pre", named("gpt-2"))).normalizer.empty());
  EXPECT_EQ(value_or_throw(config_with("tokenizer.ggml.pre", named("llama-bpe"))).add_bos_token,
            true);
  EXPECT_EQ(value_or_throw(config_with("tokenizer.ggml.pre", named("gpt-2"))).add_bos_token,
            std::nullopt);
  // tiktoken's rule: every pair that makes a token merges, whatever the file lists.
  const TokenizerSpec kimi = value_or_throw(spec_with("tokenizer.ggml.pre", named("kimi-k2")));
  EXPECT_TRUE(kimi.rank_is_merged_id && kimi.ignore_merges);
  EXPECT_EQ(kimi.merges.size(), 1u);
}

// Kimi's ids are tiktoken's, whose merges rank by what they make. The file's own list has one way
// to each token only, in any order.
TEST(GgufTokenizerSpec, KimisMergesAreTiktokens) {
  using io::gguf::ValueType;
  std::vector<std::string> spelled;
  for (int byte = 0; byte < 256; ++byte) {
    spelled.push_back(spell_bytes(std::string(1, static_cast<char>(byte))));
  }
  for (const char* token : {"bc", "ab", "abc", "cab", "[EOS]"}) spelled.emplace_back(token);
  std::vector<u8> types(spelled.size(), 1);
  types.back() = 3;  // control
  io::gguf::Metadata metadata("m.gguf");
  const auto add = [&](std::string_view key, io::gguf::Value value) {
    ASSERT_TRUE(metadata.add(key, std::move(value)));
  };
  add("tokenizer.ggml.model", {.type = ValueType::kString, .text = "gpt2"});
  add("tokenizer.ggml.pre", {.type = ValueType::kString, .text = "kimi-k2"});
  add("tokenizer.ggml.tokens", {.type = ValueType::kArray,
                                .element = ValueType::kString,
                                .count = std::ssize(spelled),
                                .strings = {spelled.begin(), spelled.end()}});
  add("tokenizer.ggml.token_type", {.type = ValueType::kArray,
                                    .element = ValueType::kU8,
                                    .count = std::ssize(spelled),
                                    .elements = types});
  const Tokenizer kimi =
      value_or_throw(Tokenizer::from_spec(value_or_throw(gguf_tokenizer_spec(metadata)), "m"));
  EXPECT_EQ(kimi.encode("abc"), std::vector<i32>{258});          // a whole piece
  EXPECT_EQ(kimi.encode("abcc"), (std::vector<i32>{258, 'c'}));  // bc (256) before ab (257)
  EXPECT_EQ(kimi.encode("xab[EOS]"), (std::vector<i32>{'x', 257, 260}));
  EXPECT_EQ(kimi.encode("x[EOS]", {.text = TextKind::kPlain}).size(), 6u);
}

TEST(GgufTokenizerConfig, EveryEndOfAnAnswerIsRead) {
  using io::gguf::ValueType;
  const io::gguf::Value two{.type = ValueType::kU32, .bits = 2};
  EXPECT_THAT(value_or_throw(config_with("tokenizer.ggml.eot_token_id", two)).end_tokens,
              ::testing::ElementsAre("ab"));
  EXPECT_THAT(value_or_throw(config_with("tokenizer.ggml.eom_token_id", two)).end_tokens,
              ::testing::ElementsAre("ab"));
  EXPECT_EQ(value_or_throw(config_with("tokenizer.ggml.eos_token_id", two)).eos_token, "ab");
}

TEST(GgufTokenizerConfig, WrongTypesAndIdsAreRefusedByName) {
  using io::gguf::ValueType;
  const auto error = [](std::string_view name, io::gguf::Value value) {
    const auto config = config_with("tokenizer.ggml." + std::string(name), std::move(value));
    return config ? "no error" : config.error().message();
  };
  const io::gguf::Value text{.type = ValueType::kString, .text = "yes"};
  for (const char* name : {"add_bos_token", "add_eos_token"}) {
    EXPECT_THAT(error(name, text), HasSubstr(std::string("tokenizer.ggml.") + name)) << name;
  }
  for (const char* name : {"bos_token_id", "eos_token_id", "eot_token_id", "eom_token_id",
                           "padding_token_id", "unknown_token_id"}) {
    EXPECT_THAT(error(name, text), HasSubstr(std::string("tokenizer.ggml.") + name)) << name;
    EXPECT_EQ(error(name, {.type = ValueType::kU32, .bits = 3}),
              fmt::format("m.gguf: tokenizer.ggml.{} is 3, expected the id of one of the 3 tokens",
                          name));
    EXPECT_EQ(error(name, {.type = ValueType::kU32, .bits = 0xFFFFFFFF}), "no error");
  }
}

TEST(GgufTokenizerSpec, WrongMetadataIsNamed) {
  using io::gguf::ValueType;
  const auto error = [](std::string_view key, io::gguf::Value value) {
    const auto spec = spec_with(key, std::move(value));
    return spec ? "no error" : spec.error().message();
  };
  const auto texts = [](std::vector<std::string_view> strings) {
    const i64 count = std::ssize(strings);
    return io::gguf::Value{.type = ValueType::kArray,
                           .element = ValueType::kString,
                           .count = count,
                           .strings = std::move(strings)};
  };
  EXPECT_EQ(error("other", {}), "no error");
  EXPECT_EQ(error("tokenizer.ggml.model", {.type = ValueType::kString, .text = "llama"}),
            "m.gguf: tokenizer.ggml.model is string \"llama\", expected \"gpt2\": only byte-level "
            "tokenizers are supported");
  EXPECT_EQ(error("tokenizer.ggml.merges", texts({"a b", "a c"})),
            "m.gguf: merge 1 is \"a c\", expected two of the tokens with a space between");
  EXPECT_THAT(error("tokenizer.ggml.merges", texts({"ab"})), HasSubstr("merge 0 is \"ab\""));
  EXPECT_THAT(error("tokenizer.ggml.tokens", {}), HasSubstr("expected an array of strings"));
  const u8 types[2] = {1, 3};
  EXPECT_EQ(
      error("tokenizer.ggml.token_type",
            {.type = ValueType::kArray, .element = ValueType::kU8, .count = 2, .elements = types}),
      "m.gguf: 2 token types for 3 tokens");
}

}  // namespace
}  // namespace fathom::tokenizer
