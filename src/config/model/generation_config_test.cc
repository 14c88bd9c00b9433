#include "config/model/generation_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  EXPECT_EQ(config->bos_token_id, 7);
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

TEST(GenerationConfigTest, AnAbsentFileIsNoWish) {
  const testing::TempDir dir;
  EXPECT_TRUE(load_generation_config(dir.path()));
  dir.write("generation_config.json", "{");
  EXPECT_FALSE(load_generation_config(dir.path()));
}

}  // namespace
}  // namespace fathom
