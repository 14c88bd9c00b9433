#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/model/model_config.h"
#include "config/model/test_edits.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::JsonValue;
using ::testing::HasSubstr;

// Reference values: deepseek-v3.md §13.
TEST(ModelConfigTest, SoftmaxScale) {
  EXPECT_FLOAT_EQ(preset("deepseek-v3").softmax_scale(), 0.1352337789f);
  EXPECT_FLOAT_EQ(preset("deepseek-v2-lite").softmax_scale(), 0.0721687836f * 1.5896261652f);
  EXPECT_FLOAT_EQ(preset("moonlight-16b-a3b").softmax_scale(), 0.0721687836f) << "no YaRN";
  EXPECT_FLOAT_EQ(preset("deepseek-r1-distill-llama-8b").softmax_scale(), 0.08838834764f);
}

TEST(ModelConfigTest, ReadsTheSpellingOfTransformers5) {
  const std::string text =
      edited("deepseek-v2-lite",
             {{"rope_scaling", std::nullopt},
              {"rope_theta", std::nullopt},
              {"torch_dtype", std::nullopt},
              {"dtype", "float32"},
              {"head_dim", 64},
              {"n_group", JsonValue()},
              {"rope_parameters",
               json_of(R"({"rope_type": "yarn", "type": "yarn", "rope_theta": 12345, "factor": 40,
                    "beta_fast": 32, "beta_slow": 1, "mscale": 0.707, "mscale_all_dim": 0.707,
                    "original_max_position_embeddings": 4096})")}});
  const auto c = parse_model_config(text);
  ASSERT_TRUE(c) << c.error().message();
  EXPECT_EQ(c->rope_theta, 12345);
  EXPECT_EQ(c->rope_scaling->mscale_all_dim, 0.707);
  EXPECT_EQ(c->torch_dtype, DType::kF32);
  EXPECT_EQ(c->n_group, 1);

  const auto plain = parse_model_config(
      edited("moonlight-16b-a3b",
             {{"rope_theta", std::nullopt},
              {"rope_parameters", json_of(R"({"rope_type": "default", "rope_theta": 777.0})")}}));
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_FALSE(plain->rope_scaling);
  EXPECT_EQ(plain->rope_theta, 777.0);
}

TEST(ModelConfigTest, OtherNamesAndForms) {
  const auto c =
      parse_model_config(edited("deepseek-v3", {{"n_routed_experts", std::nullopt},
                                                {"num_local_experts", 256},
                                                {"architectures", std::nullopt},
                                                {"eos_token_id", json_of("[1, 5]")},
                                                {"bos_token_id", JsonValue()},
                                                {"num_key_value_heads", JsonValue()},
                                                {"torch_dtype", "torch.float16"},
                                                {"some_new_key", json_of("{\"x\": [1]}")}}));
  ASSERT_TRUE(c) << c.error().message();
  EXPECT_EQ(c->n_routed_experts, 256);
  EXPECT_EQ(c->eos_token_id, (std::vector<i64>{1, 5}));
  EXPECT_EQ(c->bos_token_id, -1);
  EXPECT_EQ(c->num_key_value_heads, 128);
  EXPECT_EQ(c->torch_dtype, DType::kF16);
}

// As the config classes of transformers 5.24 read them.
TEST(ModelConfigTest, SpellingsOfRope) {
  const auto read = [](const char* key, const char* rope) {
    const auto config = parse_model_config(
        edited("deepseek-v3",
               {{"rope_scaling", std::nullopt}, {"rope_theta", 7000}, {key, json_of(rope)}}));
    EXPECT_TRUE(config) << rope << ": " << config.error().message();
    return config.value_or(ModelConfig{});
  };
  for (const char* plain : {R"({"rope_theta": 500.0})", R"({"rope_theta": 500, "rope_type": null})",
                            R"({"rope_theta": 500, "type": "default", "factor": 1})",
                            R"({"rope_theta": 500, "rope_type": null, "type": "default"})",
                            R"({"full_attention": {"rope_type": "default", "rope_theta": 500}})"}) {
    const ModelConfig config = read("rope_parameters", plain);
    EXPECT_FALSE(config.rope_scaling) << plain;
    EXPECT_EQ(config.rope_theta, 500) << plain;
  }
  EXPECT_EQ(read("rope_parameters", "{}").rope_theta, 7000);
  EXPECT_EQ(read("rope_parameters", "{\"type\": \"default\"}").rope_theta, 7000);
  const ModelConfig own = read("rope_scaling", R"({"type": "yarn", "factor": 40.0})");
  EXPECT_EQ(own.rope_scaling->original_max_position_embeddings, 163840) << "the model's length";
  const ModelConfig ratio = read("rope_scaling", R"({"type": "yarn", "factor": null,
                          "original_max_position_embeddings": 4096.0, "mscale": null})");
  EXPECT_EQ(ratio.rope_scaling->factor, 40) << "163840 / 4096";
  const auto outside = parse_model_config(
      edited("deepseek-v3", {{"rope_scaling", json_of(R"({"type": "yarn", "factor": 40})")},
                             {"original_max_position_embeddings", 2048}}));
  EXPECT_EQ(value_or_throw(outside).rope_scaling->original_max_position_embeddings, 2048);
}

TEST(ModelConfigTest, SpellingsOfNumbers) {
  const auto config = parse_model_config(edited("deepseek-v3", {{"max_position_embeddings", 4096.0},
                                                                {"hidden_size", json_of("7.168e3")},
                                                                {"rope_theta", 10000},
                                                                {"eos_token_id", json_of("[1.0]")},
                                                                {"norm_topk_prob", 1},
                                                                {"tie_word_embeddings", 0},
                                                                {"dtype", JsonValue()},
                                                                {"torch_dtype", "half"},
                                                                {"architectures", json_of("[]")}}));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->max_position_embeddings, 4096);
  EXPECT_EQ(config->hidden_size, 7168);
  EXPECT_EQ(config->eos_token_id, std::vector<i64>{1});
  EXPECT_TRUE(config->norm_topk_prob);
  EXPECT_FALSE(config->tie_word_embeddings);
  EXPECT_EQ(config->torch_dtype, DType::kF16);
  EXPECT_THAT(error_of("deepseek-v3", {{"max_position_embeddings", 4096.5}}),
              HasSubstr("max_position_embeddings: expected an integer, found the number 4096.5"));
  EXPECT_THAT(error_of("deepseek-v3", {{"hidden_size", json_of("18446744073709551616")}}),
              HasSubstr("hidden_size: expected an integer, found"));
  EXPECT_THAT(error_of("deepseek-v3", {{"norm_topk_prob", 2}}),
              HasSubstr("norm_topk_prob: expected true or false, found the number 2"));
}

// DeepSeek's configuration_deepseek.py and transformers' class agree on these.
TEST(ModelConfigTest, AbsentKeysOfV3MeanWhatItsConfigClassSays) {
  const auto c =
      parse_model_config(edited("deepseek-v3", {{"n_group", std::nullopt},
                                                {"topk_group", std::nullopt},
                                                {"n_shared_experts", std::nullopt},
                                                {"num_experts_per_tok", std::nullopt},
                                                {"routed_scaling_factor", std::nullopt}}));
  ASSERT_TRUE(c) << c.error().message();
  EXPECT_EQ(c->n_group, 8);
  EXPECT_EQ(c->topk_group, 4);
  EXPECT_EQ(c->n_shared_experts, 1);
  EXPECT_EQ(c->num_experts_per_tok, 8);
  EXPECT_EQ(c->routed_scaling_factor, 2.5f);
  const auto none = parse_model_config(edited("deepseek-v3", {{"n_shared_experts", JsonValue()}}));
  EXPECT_EQ(value_or_throw(none).n_shared_experts, 0) << "null says none";
  EXPECT_EQ(
      value_or_throw(parse_model_config(edited("deepseek-v2", {{"n_routed_experts", std::nullopt},
                                                               {"num_experts", 160}})))
          .n_routed_experts,
      160);
}

}  // namespace
}  // namespace fathom
