// Tokens that tokenizer_config.json adds to a tokenizer.json, with the ids and flags that
// transformers 5.24 gives them (PreTrainedTokenizerFast on the same files).
#include <gtest/gtest.h>

#include "testing/temp_dir.h"
#include "tokenizer/test_files.h"
#include "tokenizer/tokenizer_config.h"

namespace fathom::tokenizer {
namespace {

class DeclaredTokens : public ::testing::Test {
 protected:
  void SetUp() override { dir_.write("tokenizer.json", test_files::read_file("tokenizer.json")); }

  Result<Tokenizer> load() { return Tokenizer::load_model(dir_.path().string()); }
  Tokenizer with(std::string_view config) {
    dir_.write("tokenizer_config.json", config);
    return value_or_throw(load());
  }
  std::string error(std::string_view config) {
    dir_.write("tokenizer_config.json", config);
    const auto tokenizer = load();
    return tokenizer ? "loaded" : tokenizer.error().message();
  }
  std::string config_path() { return (dir_.path() / "tokenizer_config.json").string(); }

  testing::TempDir dir_;
};

using Ids = std::vector<i32>;

// The golden tokenizer's next free id is 1206; "self" is token 275 of its vocabulary.
TEST_F(DeclaredTokens, AreAddedAsTransformersDoes) {
  EXPECT_EQ(with("{}").encode("x <|new|> y").size(), 8u);
  const Tokenizer added = with(
      R"({"added_tokens_decoder":{"1206":{"content":"<|new|>","special":true,"normalized":false}}})");
  EXPECT_EQ(added.encode("x <|new|> y"), (Ids{90, 223, 1206, 536}));
  EXPECT_EQ(added.decode(added.encode("x <|new|> y"), SpecialTokens::kSkip), "x  y");
  EXPECT_EQ(added.vocab_size(), 1207);
  // A word of the vocabulary becomes an added token of the same id, and is cut out of words.
  EXPECT_EQ(with(R"({"pad_token":"self"})").encode("xxselfxx"), (Ids{90, 90, 275, 90, 90}));
  EXPECT_EQ(with(R"({"added_tokens_decoder":{"275":{"content":"self"}}})").encode("xxselfxx"),
            (Ids{90, 90, 275, 90, 90}));
}

TEST_F(DeclaredTokens, NamedOnesFollowThoseWithIds) {
  EXPECT_EQ(with(R"({"eos_token":"<eosnew>","bos_token":"<bosnew>",
                     "added_tokens_decoder":{"1206":{"content":"<|new|>","special":true}}})")
                .encode("<|new|><eosnew><bosnew>"),
            (Ids{1206, 1208, 1207}));
  EXPECT_EQ(
      with(R"({"additional_special_tokens":["<|add1|>","<|add2|>"]})").encode("<|add2|><|add1|>"),
      (Ids{1207, 1206}));
  EXPECT_EQ(with(R"({"extra_special_tokens":{"image_token":"<|img|>"}})").encode("<|img|>"),
            (Ids{1206}));
  EXPECT_EQ(with(R"({"bos_token":"<｜begin▁of▁sentence｜>","pad_token":null})").vocab_size(), 1206);
}

TEST_F(DeclaredTokens, TheConfigsFlagsWinButASpecialTokenStaysOne) {
  const std::string bos = "<｜begin▁of▁sentence｜>";
  const Tokenizer stripping = with(R"({"added_tokens_decoder":{"0":{"content":")" + bos +
                                   R"(","special":true,"lstrip":true}}})");
  EXPECT_EQ(stripping.encode("x " + bos + " y"), (Ids{90, 0, 536}));
  const Tokenizer flipped =
      with(R"({"added_tokens_decoder":{"0":{"content":")" + bos + R"(","special":false}}})");
  EXPECT_TRUE(flipped.is_special(0));
  EXPECT_TRUE(flipped.spec().added_tokens[0].normalized);
  EXPECT_TRUE(with(R"({"eos_token":"<think>"})").is_special(1200));
  EXPECT_FALSE(with("{}").is_special(1200));
}

TEST_F(DeclaredTokens, IdsThatDisagreeAreRefused) {
  EXPECT_EQ(
      error(R"({"added_tokens_decoder":{"1211":{"content":"<|new|>"}}})"),
      config_path() +
          ": added_tokens_decoder: \"<|new|>\" has id 1211, expected 1206 (the next free one)");
  EXPECT_EQ(error(R"({"added_tokens_decoder":{"0":{"content":"<|new|>"}}})"),
            config_path() +
                ": added_tokens_decoder: \"<|new|>\" has id 0, expected 1206 (the next free one)");
  EXPECT_EQ(
      error(R"({"added_tokens_decoder":{"1206":{"content":"self"}}})"),
      config_path() +
          ": added_tokens_decoder: \"self\" has id 1206, expected 275 (its id in tokenizer.json)");
  EXPECT_EQ(error(R"({"added_tokens_decoder":{"1206":{"content":"<|new|>","lstrip":1}}})"),
            config_path() +
                ": added_tokens_decoder: 1206: lstrip: expected true or false, found the number 1");
  EXPECT_EQ(error(R"({"added_tokens_decoder":{"x":{"content":"<|new|>"}}})"),
            config_path() + ": added_tokens_decoder: expected ids as keys, found \"x\"");
  EXPECT_EQ(error(R"({"extra_special_tokens":[5]})"),
            config_path() +
                ": extra_special_tokens: expected a string or an object with "
                "\"content\", found the number 5");
}

// transformers 5.24 gives other ids with these; with add_prefix_space only in these classes.
TEST_F(DeclaredTokens, FlagsThatWouldChangeIdsAreRefused) {
  EXPECT_EQ(error(R"({"split_special_tokens":true})"),
            config_path() +
                ": split_special_tokens: true is not supported; special tokens in a text would be "
                "cut like other words");
  EXPECT_EQ(error(R"({"add_prefix_space":true,"tokenizer_class":"GPT2TokenizerFast"})"),
            config_path() +
                ": add_prefix_space is true, but not in tokenizer.json, which is not supported for "
                "tokenizer_class \"GPT2TokenizerFast\"");
  EXPECT_EQ(error(R"({"add_prefix_space":true,"tokenizer_class":"PreTrainedTokenizerFast"})"),
            "loaded");
  EXPECT_EQ(error(R"({"add_prefix_space":false,"tokenizer_class":"Qwen2Tokenizer",
                      "split_special_tokens":false})"),
            "loaded");
  dir_.write("tokenizer.json", test_files::variant_json("gpt2"));
  EXPECT_EQ(error(R"({"add_prefix_space":true,"tokenizer_class":"GPT2Tokenizer"})"), "loaded");
}

TEST_F(DeclaredTokens, TransformersOlderFilesCountWhereTheConfigHasNoDecoder) {
  dir_.write("added_tokens.json", R"({"<|b|>": 1207, "<|a|>": 1206})");
  dir_.write("special_tokens_map.json", R"({"eos_token": {"content": "<|a|>", "lstrip": false}})");
  const Tokenizer alone = value_or_throw(load());
  EXPECT_EQ(alone.encode("<|b|><|a|>"), (Ids{1207, 1206}));
  EXPECT_TRUE(alone.is_special(1206));
  EXPECT_FALSE(alone.is_special(1207));
  EXPECT_EQ(value_or_throw(load_tokenizer_config(dir_.path().string())).eos_token, "<|a|>");
  EXPECT_EQ(with(R"({"added_tokens_decoder":{}})").vocab_size(), 1206);
}

}  // namespace
}  // namespace fathom::tokenizer
