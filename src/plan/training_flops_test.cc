#include "plan/training_flops.h"

#include <gtest/gtest.h>

#include "plan/model_size.h"

namespace fathom::plan {
namespace {

ModelConfig load(const std::string& name) {
  return value_or_throw(
      load_model_config(std::string(FATHOM_SOURCE_DIR) + "/configs/models/" + name + ".json"));
}

// By hand, nano.json: hidden 256, 4 layers (1 dense), 4 heads, q 96, kv 64, nope 32, rope 16, v 32,
// 4 of 16 experts of 128 and one shared, vocab 8192, one MTP module.
TEST(TrainingFlops, NanoByHand) {
  const double attention_weights =
      64.0 * 128 + 4 * 48 * 64 + (32 + 16) * 128 + 4 * 64 * 32 + 128 * 4 * 32;
  const double dense = 3.0 * 384 * 128;
  const double moe = 5.0 * 3 * 64 * 128 + 16 * 128;
  const double head = 4096.0 * 128;
  const double scores = 4.0 * (48 + 32) * 513 / 2;  // heads x widths x mean keys of 512
  const TrainingFlops flops = training_flops(load("nano"), 512);
  EXPECT_DOUBLE_EQ(flops.matrices, 6 * (4 * attention_weights + dense + 3 * moe + head));
  EXPECT_DOUBLE_EQ(flops.attention, 6 * 4 * scores);
  EXPECT_DOUBLE_EQ(flops.mtp, 6 * (attention_weights + moe + 128.0 * 256 + head + scores));
  EXPECT_DOUBLE_EQ(flops.per_token(), flops.matrices + flops.attention + flops.mtp);
}

// Six a token and activated parameter is the field's rule of thumb; norms are all that it counts
// beyond matrices.
TEST(TrainingFlops, MatricesAreSixAnActiveParameter) {
  for (const char* name : {"deepseek-v3", "deepseek-v2-lite", "deepseek-r1-distill-llama-8b"}) {
    const ModelConfig config = load(name);
    const auto active = static_cast<double>(model_size(config).active_without_embedding);
    EXPECT_NEAR(training_flops(config, 4096).matrices / (6 * active), 1.0, 1e-3) << name;
  }
}

TEST(TrainingFlops, TiedHeadsCountOnce) {
  ModelConfig config = load("deepseek-r1-distill-llama-8b");
  const double untied = training_flops(config, 64).matrices;
  config.tie_word_embeddings = true;
  EXPECT_EQ(training_flops(config, 64).matrices, untied);
}

}  // namespace
}  // namespace fathom::plan
