#include "tokenizer/tokenizer_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fathom::tokenizer {
namespace {

using ::testing::HasSubstr;

TEST(TokenizerConfig, ReadsThePublishedForm) {
  const TokenizerConfig config = value_or_throw(parse_tokenizer_config(
      R"({"add_bos_token": true, "add_eos_token": false,
          "bos_token": {"__type": "AddedToken", "content": "<｜begin▁of▁sentence｜>", "lstrip": false},
          "eos_token": "<｜end▁of▁sentence｜>", "pad_token": null, "legacy": true, "sp_model_kwargs": {},
          "model_max_length": 131072, "tokenizer_class": "LlamaTokenizerFast",
          "chat_template": "{{ bos_token }}"})",
      "c.json"));
  EXPECT_EQ(config.tokenizer_class, "LlamaTokenizerFast");
  EXPECT_EQ(config.add_bos_token, true);
  EXPECT_EQ(config.add_eos_token, false);
  EXPECT_EQ(config.bos_token, "<｜begin▁of▁sentence｜>");
  EXPECT_EQ(config.eos_token, "<｜end▁of▁sentence｜>");
  EXPECT_EQ(config.pad_token, std::nullopt);
  EXPECT_EQ(config.unk_token, std::nullopt);
  EXPECT_EQ(config.model_max_length, 131072);
  EXPECT_EQ(config.chat_template, "{{ bos_token }}");
}

TEST(TokenizerConfig, EverythingMayBeAbsent) {
  const TokenizerConfig config = value_or_throw(parse_tokenizer_config("{}", "c.json"));
  EXPECT_EQ(config.add_bos_token, std::nullopt);
  EXPECT_EQ(config.chat_template, std::nullopt);
}

TEST(TokenizerConfig, VeryLargeMeansNoLength) {
  const TokenizerConfig config = value_or_throw(
      parse_tokenizer_config(R"({"model_max_length": 1000000000000000019884624838656})", "c.json"));
  EXPECT_EQ(config.model_max_length, std::nullopt);
}

TEST(TokenizerConfig, OfSeveralTemplatesTheDefaultCounts) {
  const TokenizerConfig config = value_or_throw(parse_tokenizer_config(
      R"({"chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]})",
      "c.json"));
  EXPECT_EQ(config.chat_template, "D");
}

TEST(TokenizerConfig, WrongTypesAreNamed) {
  const auto error = [](std::string_view text) {
    const Result<TokenizerConfig> config = parse_tokenizer_config(text, "c.json");
    return config ? "accepted" : config.error().message();
  };
  EXPECT_THAT(error("[]"), HasSubstr("c.json: expected an object"));
  EXPECT_THAT(error(R"({"add_bos_token": "yes"})"),
              HasSubstr("c.json: add_bos_token: expected true or false, found a string \"yes\""));
  EXPECT_THAT(error(R"({"bos_token": 5})"), HasSubstr("bos_token: expected a string or an object"));
  EXPECT_THAT(error(R"({"eos_token": {"content": 5}})"), HasSubstr("eos_token"));
  EXPECT_THAT(error(R"({"chat_template": {"default": "x"}})"), HasSubstr("chat_template"));
  EXPECT_THAT(error(R"({"chat_template": [{"name": "default"}]})"), HasSubstr("entries with"));
  EXPECT_THAT(error(R"({"model_max_length": "long"})"), HasSubstr("model_max_length"));
  EXPECT_THAT(error(R"({"tokenizer_class": 1})"), HasSubstr("tokenizer_class"));
  EXPECT_THAT(error("{"), HasSubstr("c.json"));
}

TEST(TokenizerConfig, AMissingFileIsNotFound) {
  const Result<TokenizerConfig> config = load_tokenizer_config("/no/such");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace fathom::tokenizer
