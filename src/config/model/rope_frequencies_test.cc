#include "config/model/rope_frequencies.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fathom {
namespace {

ModelConfig preset(const std::string& name) {
  return value_or_throw(
      load_model_config(std::string(FATHOM_SOURCE_DIR) + "/configs/models/" + name + ".json"));
}

// Reference values: deepseek-v3.md §1.4 and §13.
TEST(RopeFrequencies, YarnOfV3) {
  const ModelConfig v3 = preset("deepseek-v3");
  EXPECT_NEAR(yarn_correction(v3, 32), 10.4722, 5e-5);
  EXPECT_NEAR(yarn_correction(v3, 1), 22.5134, 5e-5);
  EXPECT_EQ(yarn_ramp(v3).low, 10);
  EXPECT_EQ(yarn_ramp(v3).high, 23);
  EXPECT_NEAR(yarn_mscale(40, 1.0), 1.3688879454, 1e-10);
  EXPECT_NEAR(yarn_mscale(40, 0.707), 1.2608037774, 1e-10);
  EXPECT_EQ(yarn_mscale(1, 1.0), 1.0);
  EXPECT_EQ(rope_cos_sin_factor(v3), 1.0f);

  const std::vector<double> frequency = rope_frequencies(v3);
  ASSERT_EQ(frequency.size(), 32u);
  const auto base = [](int i) { return std::pow(10000.0, -2.0 * i / 64); };
  for (const int i : {0, 1, 10}) EXPECT_DOUBLE_EQ(frequency[static_cast<size_t>(i)], base(i)) << i;
  for (const int i : {23, 24, 31}) {
    EXPECT_DOUBLE_EQ(frequency[static_cast<size_t>(i)], base(i) / 40) << i;
  }
  EXPECT_DOUBLE_EQ(frequency[16], base(16) * (7.0 / 13) + base(16) / 40 * (6.0 / 13));
}

// beta_fast = beta_slow: the ramp is one step (§11.3).
TEST(RopeFrequencies, YarnOfKimi) {
  const ModelConfig kimi = preset("kimi-k2");
  EXPECT_NEAR(yarn_correction(kimi, 1), 19.16, 5e-3);
  EXPECT_EQ(yarn_ramp(kimi).low, 19);
  EXPECT_EQ(yarn_ramp(kimi).high, 20);
  const std::vector<double> frequency = rope_frequencies(kimi);
  EXPECT_DOUBLE_EQ(frequency[19], std::pow(50000.0, -38.0 / 64));
  EXPECT_DOUBLE_EQ(frequency[20], std::pow(50000.0, -40.0 / 64) / 32);
}

TEST(RopeFrequencies, AStepWhereTheRampHasNoLength) {
  ModelConfig config = preset("deepseek-v3");
  config.rope_scaling->original_max_position_embeddings = 1;  // both ends clamp to 0
  EXPECT_EQ(yarn_ramp(config).low, 0);
  for (const double f : rope_frequencies(config)) EXPECT_TRUE(std::isfinite(f));
}

TEST(RopeFrequencies, CosSinFactor) {
  ModelConfig config = preset("deepseek-v3");
  config.rope_scaling->mscale_all_dim = 0.707;
  EXPECT_FLOAT_EQ(rope_cos_sin_factor(config), 1.3688879454f / 1.2608037774f);
  config.rope_scaling->mscale = config.rope_scaling->mscale_all_dim = 0.0;
  EXPECT_FLOAT_EQ(rope_cos_sin_factor(config), 1.3688879454f);
  config.rope_scaling->attention_factor = 1.25;
  EXPECT_FLOAT_EQ(rope_cos_sin_factor(config), 1.25f);
  EXPECT_FLOAT_EQ(rope_cos_sin_factor(preset("deepseek-r1-distill-llama-8b")), 1.0f);
}

// Made by transformers 5.23.0's llama3 rule in float32 for R1-Distill-Llama-8B.
TEST(RopeFrequencies, Llama3) {
  const std::vector<double> frequency = rope_frequencies(preset("deepseek-r1-distill-llama-8b"));
  ASSERT_EQ(frequency.size(), 64u);
  EXPECT_NEAR(frequency[0], 1, 1e-6 * 1);
  EXPECT_NEAR(frequency[10], 0.128687382, 1e-6 * 0.128687382);
  EXPECT_NEAR(frequency[28], 0.00321144611, 1e-6 * 0.00321144611);
  EXPECT_NEAR(frequency[29], 0.00216657063, 1e-6 * 0.00216657063);
  EXPECT_NEAR(frequency[30], 0.00137189368, 1e-6 * 0.00137189368);
  EXPECT_NEAR(frequency[33], 0.00031269365, 1e-6 * 0.00031269365);
  EXPECT_NEAR(frequency[34], 0.000178507791, 1e-6 * 0.000178507791);
  EXPECT_NEAR(frequency[35], 9.55621217e-05, 1e-6 * 9.55621217e-05);
  EXPECT_NEAR(frequency[36], 7.78465546e-05, 1e-6 * 7.78465546e-05);
  EXPECT_NEAR(frequency[50], 4.41153452e-06, 1e-6 * 4.41153452e-06);
  EXPECT_NEAR(frequency[63], 3.06892588e-07, 1e-6 * 3.06892588e-07);
}

TEST(RopeFrequencies, LinearAndPlain) {
  ModelConfig config = preset("moonlight-16b-a3b");
  EXPECT_DOUBLE_EQ(rope_frequencies(config)[1], std::pow(50000.0, -2.0 / 64));
  config.rope_scaling = RopeScaling{.type = RopeType::kLinear, .factor = 4.0};
  EXPECT_DOUBLE_EQ(rope_frequencies(config)[1], std::pow(50000.0, -2.0 / 64) / 4);
}

}  // namespace
}  // namespace fathom
