#include "config/model/generation_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "testing/temp_dir.h"

namespace fathom {
namespace {

using ::testing::HasSubstr;

TEST(GenerationConfigTest, ReadsR1) {
  const auto config = parse_generation_config(
      R"({"_from_model_config": true, "bos_token_id": 0, "eos_token_id": [1, 2],
          "do_sample": true, "temperature": 0.6, "top_p": 0.95, "transformers_version": "4.46.3"})");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->do_sample, true);
  EXPECT_EQ(config->temperature, 0.6);
  EXPECT_EQ(config->top_p, 0.95);
  EXPECT_EQ(config->eos_token_id, (std::vector<i64>{1, 2}));
  EXPECT_FALSE(config->top_k);
}

TEST(GenerationConfigTest, EveryNumberIsReadFromItsOwnKey) {
  const auto config = parse_generation_config(
      R"({"temperature": 0.1, "top_p": 0.2, "top_k": 3, "min_p": 0.4, "repetition_penalty": 1.5,
          "max_new_tokens": 6, "bos_token_id": 7, "eos_token_id": 8})");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->temperature, 0.1);
  EXPECT_EQ(config->top_p, 0.2);
  EXPECT_EQ(config->top_k, 3);
  EXPECT_EQ(config->min_p, 0.4);
  EXPECT_EQ(config->repetition_penalty, 1.5);
  EXPECT_EQ(config->max_new_tokens, 6);
  EXPECT_EQ(config->eos_token_id, (std::vector<i64>{8}));
}

TEST(GenerationConfigTest, NotToSampleIsAWishAndNoWishIsNone) {
  EXPECT_EQ(parse_generation_config(R"({"do_sample": false})")->do_sample, false);
  EXPECT_EQ(parse_generation_config(R"({"do_sample": null})")->do_sample, std::nullopt);
  EXPECT_EQ(parse_generation_config("{}")->do_sample, std::nullopt);
}

TEST(GenerationConfigTest, ListsEveryProblem) {
  const auto config = parse_generation_config(
      R"({"temperature": "hot", "top_p": 2, "top_k": 1.5, "do_sample": 1, "eos_token_id": -1})");
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message(), HasSubstr("generation_config.json: 5 problems"));
  EXPECT_THAT(config.error().message(),
              HasSubstr("top_p: expected a number from 0 to 1, found the number 2"));
}

TEST(GenerationConfigTest, SpellingsOfOffAreRead) {
  const auto read = [](const char* text) { return value_or_throw(parse_generation_config(text)); };
  EXPECT_EQ(read(R"({"top_k": -1})").top_k, 0);
  EXPECT_EQ(read(R"({"top_k": 0})").top_k, 0);
  EXPECT_EQ(read(R"({"top_k": 50.0})").top_k, 50);
  EXPECT_EQ(read(R"({"top_k": null, "top_p": null, "temperature": null})").top_k, std::nullopt);
  EXPECT_EQ(read(R"({"temperature": 0})").temperature, 0.0);
  EXPECT_GT(read(R"({"top_p": 0})").top_p, 0.0);
  EXPECT_LT(read(R"({"top_p": 0})").top_p, 1e-300);
  EXPECT_EQ(read(R"({"bos_token_id": -1})").do_sample, std::nullopt) << "a key that nobody reads";
  EXPECT_FALSE(parse_generation_config(R"({"top_k": -2})"));
}

TEST(GenerationConfigTest, WhatIsNotTakenNeedNotBeSound) {
  const char* text = R"({"top_k": -7, "top_p": "x", "min_p": 9, "temperature": -1})";
  EXPECT_FALSE(parse_generation_config(text));
  constexpr std::array<std::string_view, 4> kAll = {"top_k", "top_p", "min_p", "temperature"};
  EXPECT_TRUE(parse_generation_config(text, "g", kAll));
  const auto some = parse_generation_config(text, "g", std::span(kAll).first(3));
  ASSERT_FALSE(some);
  EXPECT_THAT(some.error().message(), HasSubstr("g: temperature: expected a number from 0 to 100"));
  const auto greedy = parse_generation_config(
      R"({"do_sample": false, "top_k": -7, "top_p": "x", "min_p": 9, "temperature": -1})");
  EXPECT_TRUE(greedy) << "nothing is drawn";
  EXPECT_TRUE(parse_generation_config(R"({"temperature": 0, "top_p": 7})"));
}

TEST(GenerationConfigTest, AnAbsentFileIsNoWish) {
  const testing::TempDir dir;
  EXPECT_TRUE(load_generation_config(dir.path()));
  dir.write("generation_config.json", "{");
  EXPECT_FALSE(load_generation_config(dir.path()));
}

}  // namespace
}  // namespace fathom
