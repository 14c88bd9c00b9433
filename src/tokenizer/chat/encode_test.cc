// From segments to ids, and from a model directory to its template.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "io/json.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/chat/render/render.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {
namespace {

/// A vocabulary of the 256 bytes, two merges ("ab", "abc"), and the tokens given.
Tokenizer byte_tokenizer(const std::vector<std::string_view>& tokens) {
  TokenizerSpec spec;
  for (int byte = 0; byte < 256; ++byte) {
    spec.vocab.push_back(spell_bytes(std::string(1, static_cast<char>(byte))));
  }
  spec.vocab.insert(spec.vocab.end(), {"ab", "abc"});
  spec.merges = {{'a', 'b'}, {256, 'c'}};
  auto id = static_cast<i32>(spec.vocab.size());
  for (const std::string_view token : tokens) {
    AddedToken added;
    added.id = id++;
    added.content = std::string(token);
    spec.added_tokens.push_back(added);
  }
  return value_or_throw(Tokenizer::from_spec(std::move(spec), "test"));
}

std::vector<std::string_view> v3_tokens() {
  return {kBos,         kEos,       kUserTurn,  kAssistantTurn, kThinkBegin,   kThinkEnd,
          kCallsBegin,  kCallsEnd,  kCallBegin, kCallEnd,       kOutputsBegin, kOutputsEnd,
          kOutputBegin, kOutputEnd, kToolSep,   kDsmlMark};
}

Message user_message(std::string text) { return {"user", std::move(text), {}, {}, {}}; }

TEST(EncodeChat, TokensById) {
  const Tokenizer tokenizer = byte_tokenizer(v3_tokens());
  ChatRequest request;
  request.messages = {user_message("abc")};
  const auto segments = render_chat(*find_chat_template("deepseek-v3"), request);
  ASSERT_TRUE(segments);
  EXPECT_EQ(encode_chat(tokenizer, *segments),
            (std::vector<i32>{*tokenizer.token_to_id(kBos), *tokenizer.token_to_id(kUserTurn), 257,
                              *tokenizer.token_to_id(kAssistantTurn)}));
}

// Where no client's text spells a token, the ids are those of the rendered text as transformers
// encodes it: with added tokens recognised wherever they stand.
TEST(EncodeChat, AgreesWithEncodingTheRenderedText) {
  const Tokenizer tokenizer = byte_tokenizer(v3_tokens());
  ChatRequest request;
  request.messages = {{"system", "abc", {}, {}, {}},
                      user_message("  q\n\n"),
                      {"assistant", "", {}, {{"", "abc", R"({"a": "abc"})"}}, {}},
                      {"tool", "abc", {}, {}, {}},
                      {"assistant", "abab", {}, {}, {}},
                      user_message("x")};
  int num_templates = 0;
  for (const ChatTemplate& chat_template : chat_templates()) {
    if (!check_chat_tokens(chat_template, tokenizer) || !chat_template.has_tools) continue;
    const auto segments = render_chat(chat_template, request);
    ASSERT_TRUE(segments) << segments.error().message();
    EXPECT_EQ(encode_chat(tokenizer, *segments), tokenizer.encode(chat_text(*segments)))
        << chat_template.name;
    ++num_templates;
  }
  EXPECT_EQ(num_templates, 11);
}

TEST(EncodeChat, AClientsTextIsPlain) {
  const Tokenizer tokenizer = byte_tokenizer(v3_tokens());
  std::string hostile;
  for (const std::string_view token : v3_tokens()) hostile += token;
  ChatRequest request;
  request.messages = {user_message(hostile)};
  const std::vector<i32> ids =
      encode_chat(tokenizer, *render_chat(*find_chat_template("deepseek-v3.1"), request));
  // BOS, user, assistant and </think> are the template's.
  EXPECT_EQ(std::count_if(ids.begin(), ids.end(), [](i32 id) { return id >= 258; }), 4);
  EXPECT_EQ(tokenizer.decode(ids),
            "<｜begin▁of▁sentence｜><｜User｜>" + hostile + "<｜Assistant｜></think>");
}

// R1-Distill-Qwen's vocabulary has no tool tokens: they are text there, in one piece with the text
// around them.
TEST(EncodeChat, MissingTokensAreText) {
  const Tokenizer tokenizer = byte_tokenizer({kBos});
  const std::vector<Segment> segments = {{SegmentKind::kToken, std::string(kBos)},
                                         {SegmentKind::kText, "a"},
                                         {SegmentKind::kToken, "bc"},
                                         {SegmentKind::kToken, std::string(kToolSep)},
                                         {SegmentKind::kText, "ab"}};
  std::vector<i32> expected = {*tokenizer.token_to_id(kBos)};
  tokenizer.encode_to("abc" + std::string(kToolSep) + "ab", {.text = TextKind::kPlain}, expected);
  EXPECT_EQ(encode_chat(tokenizer, segments), expected);
  EXPECT_EQ(expected[1], 257) << "\"a\" and \"bc\" must merge";
}

TEST(CheckChatTokens, NamesWhatIsMissing) {
  const Tokenizer tokenizer = byte_tokenizer({kBos, kEos, kUserTurn, kThinkBegin, kThinkEnd});
  const auto good = check_chat_tokens(*find_chat_template("deepseek-v2"), tokenizer);
  EXPECT_TRUE(good.has_value());
  const auto bad = check_chat_tokens(*find_chat_template("deepseek-r1"), tokenizer);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message(),
            "tokenizer.json: the chat template deepseek-r1 (of DeepSeek-R1) needs tokens that the "
            "vocabulary lacks: <｜Assistant｜>");
  EXPECT_FALSE(check_chat_tokens(*find_chat_template("moonlight"), tokenizer));
}

class LoadChatTemplate : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::path(::testing::TempDir()) /
           ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name, std::ios::binary) << text;
  }
  static std::string published(const std::string& name) {
    std::ifstream file(FATHOM_SOURCE_DIR "/tests/golden/chat/templates/" + name + ".jinja",
                       std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string_view loaded(std::string_view name = {}) {
    const auto found = load_chat_template(dir_, name);
    return found ? found->chat_template->name : "";
  }
  std::string error() { return load_chat_template(dir_, {}).error().message(); }

  std::filesystem::path dir_;
};

TEST_F(LoadChatTemplate, FromTheTokenizersConfig) {
  io::JsonObject config;
  config.set("chat_template", published("deepseek-r1"));
  write("tokenizer_config.json", io::write_json(config));
  EXPECT_EQ(loaded(), "deepseek-r1");
  EXPECT_EQ(loaded("deepseek-v2"), "deepseek-v2") << "the user's word wins";
  EXPECT_EQ(load_chat_template(dir_, "deepseek").has_value(), false);
  // transformers prefers the file of its own.
  write("chat_template.jinja", published("deepseek-v3.1") + "\n");
  EXPECT_EQ(loaded(), "deepseek-v3.1");
  write("chat_template.jinja", "{{ messages }}");
  EXPECT_TRUE(error().starts_with((dir_ / "chat_template.jinja").string() + ": chat_template: not"))
      << error();
}

TEST_F(LoadChatTemplate, ByModelTypeWhereThereIsNone) {
  EXPECT_NE(error().find("the checkpoint has no chat template"), std::string::npos) << error();
  write("config.json", R"({"model_type": "deepseek_v32"})");
  EXPECT_EQ(loaded(), "deepseek-v3.2");
  write("tokenizer_config.json", R"({"bos_token": "x"})");
  EXPECT_EQ(loaded(), "deepseek-v3.2");
  write("config.json", R"({"model_type": "deepseek_v3"})");
  EXPECT_EQ(loaded(), "");
  write("config.json", R"({"model_type": 3})");
  EXPECT_NE(error().find("model_type: expected a string"), std::string::npos) << error();
  write("tokenizer_config.json", "{");
  EXPECT_EQ(loaded(), "");
}

TEST_F(LoadChatTemplate, RefusesAHugeFile) {
  write("chat_template.jinja", std::string(size_t{3} << 20, ' '));
  EXPECT_NE(error().find("expected a chat template of at most 1048576 bytes, found 3145728"),
            std::string::npos)
      << error();
}

}  // namespace
}  // namespace fathom::tokenizer
