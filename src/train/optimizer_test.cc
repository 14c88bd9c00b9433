#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "backend/backend.h"
#include "base/rng.h"
#include "parallel/block_exchange.h"
#include "train/test_support.h"

namespace fathom::train {
namespace {

ModelConfig tiny_model() { return value_or_throw(parse_model_config(kTinyModel)); }

std::vector<float> randoms(i64 count, u64 seed) {
  const Philox rng(seed, 3);
  std::vector<float> values(static_cast<size_t>(count));
  for (i64 i = 0; i < count; ++i) {
    values[static_cast<size_t>(i)] = static_cast<float>(rng.normal(static_cast<u64>(i)));
  }
  return values;
}

/// The array with zeros where no slot lies and where no gradient flows, as training has it.
std::vector<float> in_slots(const checkpoint::ParameterLayout& layout,
                            const std::vector<float>& from, bool with_bias) {
  std::vector<float> values(from.size(), 0.0f);
  for (const checkpoint::ParameterSlot& slot : layout.slots()) {
    if (!slot.has_gradient && !with_bias) continue;
    const auto begin = static_cast<size_t>(slot.offset);
    for (size_t i = begin; i < begin + static_cast<size_t>(slot.parameter.elements()); ++i) {
      values[i] = from[i];
    }
  }
  return values;
}

class OptimizerTest : public ::testing::Test {
 protected:
  Ctx ctx_ = backend::make_context();
  checkpoint::ParameterLayout layout_{tiny_model()};
  std::vector<float> start_ = in_slots(layout_, randoms(layout_.size(), 1), true);
  std::vector<float> gradients_ = in_slots(layout_, randoms(layout_.size(), 2), false);
  OptimizerConfig config_;
};

// torch.optim.AdamW in double, written out again; decay on matrices only.
TEST_F(OptimizerTest, TwoStepsOfAdamW) {
  Optimizer optimizer(layout_, config_);
  std::vector<float> weights = start_;
  for (i64 update = 1; update <= 2; ++update) {
    optimizer.step(ctx_, update, 1e-2, 0.5f, weights, gradients_);
  }
  i64 decayed = 0, kept = 0;
  for (const checkpoint::ParameterSlot& slot : layout_.slots()) {
    const bool matrix = slot.parameter.shape.size() == 2;
    for (i64 i = slot.offset; i < slot.offset + slot.parameter.elements(); ++i) {
      const auto at = static_cast<size_t>(i);
      double p = start_[at], m = 0.0, v = 0.0;
      const double g = 0.5 * static_cast<double>(gradients_[at]);
      for (int update = 1; update <= 2 && slot.has_gradient; ++update) {
        if (matrix) p -= 1e-2 * 0.1 * p;
        m = 0.9 * m + 0.1 * g;
        v = 0.95 * v + 0.05 * g * g;
        p -= 1e-2 / (1 - std::pow(0.9, update)) * m /
             (std::sqrt(v / (1 - std::pow(0.95, update))) + 1e-8);
      }
      ASSERT_NEAR(weights[at], p, 1e-5) << slot.parameter.name;
      (slot.has_gradient ? decayed : kept) += 1;
    }
  }
  EXPECT_GT(decayed, 10'000);
  EXPECT_EQ(kept, 2 * 4);  // the router's bias of one layer and of the MTP module
}

TEST_F(OptimizerTest, ThePaddingStaysZero) {
  Optimizer optimizer(layout_, config_);
  std::vector<float> weights = start_;
  optimizer.step(ctx_, 1, 1e-2, 1.0f, weights, gradients_);
  std::vector<float> outside = weights;
  for (const checkpoint::ParameterSlot& slot : layout_.slots()) {
    std::fill_n(outside.begin() + slot.offset, slot.parameter.elements(), 0.0f);
  }
  EXPECT_EQ(std::ranges::count(outside, 0.0f), layout_.size());
}

TEST_F(OptimizerTest, Bf16MomentsFollowTheF32Ones) {
  Optimizer exact(layout_, config_);
  config_.bf16_moments = true;
  Optimizer rounded(layout_, config_);
  EXPECT_EQ(2 * Optimizer::moment_bytes(100, config_), Optimizer::moment_bytes(100, {}));
  std::vector<float> a = start_, b = start_;
  for (i64 update = 1; update <= 3; ++update) {
    exact.step(ctx_, update, 1e-2, 1.0f, a, gradients_);
    rounded.step(ctx_, update, 1e-2, 1.0f, b, gradients_);
  }
  EXPECT_NE(a, b);
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-3);
}

TEST_F(OptimizerTest, NormAndClip) {
  const Optimizer optimizer(layout_, config_);
  comm::Comm alone = comm::Comm::self();
  const parallel::Shards shards(layout_);
  double sum = 0.0;
  for (const float g : gradients_) sum += static_cast<double>(g) * static_cast<double>(g);
  const double norm = parallel::gradient_norm(ctx_, alone, shards, gradients_);
  EXPECT_NEAR(norm, std::sqrt(sum), 1e-9 * norm);
  EXPECT_FLOAT_EQ(optimizer.clip_scale(4.0), 0.25f);
  EXPECT_EQ(optimizer.clip_scale(0.5), 1.0f);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    std::vector<float> broken = gradients_;
    broken[static_cast<size_t>(layout_.slots()[5].offset)] = bad;
    EXPECT_FALSE(std::isfinite(parallel::gradient_norm(ctx_, alone, shards, broken)));
  }
}

TEST_F(OptimizerTest, TheAverageFollowsTheWeights) {
  config_.ema_decay = 0.75;
  Optimizer optimizer(layout_, config_);
  optimizer.start_average(start_);
  optimizer.update_average(ctx_, gradients_);
  const std::span<const float> average = optimizer.average();
  for (size_t i = 0; i < average.size(); ++i) {
    ASSERT_NEAR(average[i], 0.75f * start_[i] + 0.25f * gradients_[i], 1e-6);
  }
  EXPECT_EQ(optimizer.state().size(), 3u);
  EXPECT_TRUE(Optimizer(layout_, {}).average().empty());
}

}  // namespace
}  // namespace fathom::train
