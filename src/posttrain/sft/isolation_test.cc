// Packed samples do not see each other: the gradient of one sample's loss by another's embeddings
// is exactly 0, and a sample's loss is the same alone and packed.
#include <gtest/gtest.h>

#include <algorithm>

#include "backend/backend.h"
#include "checkpoint/flat_weights.h"
#include "model/training/training_model.h"
#include "posttrain/sft/packed_samples.h"
#include "posttrain/sft/test_tiny_model.h"
#include "train/validation.h"

namespace fathom::posttrain {
namespace {

/// A sample of ids from `first` on, all learnt or none.
void add(SampleSet& set, i32 first, size_t count, u8 learnt) {
  std::vector<i32> ids(count);
  for (size_t i = 0; i < count; ++i) ids[i] = first + static_cast<i32>(i % 10);
  set.add(ids, std::vector<u8>(count, learnt), 0);
}

class IsolationTest : public ::testing::Test {
 protected:
  IsolationTest() : config_(tiny_model(true)), model_(ctx_, config_, recipe(), 1, 40) {
    model_.initialise(ctx_, 0.2, 5);
  }
  static TrainingRecipe recipe() {
    TrainingRecipe recipe;
    recipe.precision.mode = TrainPrecision::kF32;
    recipe.balance.seq_aux_loss_weight = 0.0;  // a loss of the whole row, on purpose
    return recipe;
  }
  /// Losses of the row; gradients are left in the model.
  model::StepStats pass(SampleSet set) {
    PackedSamples packed(std::move(set), 40, 1, PackedSamples::Order::kAsPacked);
    EXPECT_EQ(packed.rows_per_epoch(), 1);
    data::SequenceBatch batch;
    packed.read({0, 1}, 1, batch);
    model::StepStats stats(config_);
    model_.begin_step(ctx_);
    model_.forward_backward(ctx_, train::as_training_batch(batch, true),
                            {.targets = 1.0, .sequences = 1.0, .mtp_weight = 0.3}, stats);
    return stats;
  }
  /// The largest gradient of the embeddings of ids [first, first + 10).
  float largest_gradient(i32 first) {
    const auto& layout = model_.layout();
    const checkpoint::ParameterSlot& slot = *layout.find("model.embed_tokens.weight");
    float largest = 0.0f;
    for (i64 i = first * 32; i < (first + 10) * 32; ++i) {
      largest =
          std::max(largest, std::abs(model_.gradients()[static_cast<size_t>(slot.offset + i)]));
    }
    return largest;
  }

  Ctx ctx_ = backend::make_context();
  ModelConfig config_;
  model::TrainingModel model_;
};

TEST_F(IsolationTest, NoGradientReachesANeighbour) {
  SampleSet set;
  add(set, 10, 15, 0);  // nothing of it is learnt
  add(set, 30, 13, 1);
  add(set, 50, 8, 0);
  pass(std::move(set));
  EXPECT_EQ(largest_gradient(10), 0.0f);
  EXPECT_EQ(largest_gradient(50), 0.0f);
  EXPECT_GT(largest_gradient(30), 0.0f);
}

TEST_F(IsolationTest, AloneAndPackedAreTheSame) {
  SampleSet both;
  add(both, 10, 15, 1);
  add(both, 30, 13, 1);
  double alone = 0.0, mtp_alone = 0.0;
  for (const auto& [first, count] : {std::pair<i32, size_t>{10, 15}, {30, 13}}) {
    SampleSet one;
    add(one, first, count, 1);
    const model::StepStats stats = pass(std::move(one));
    alone += stats.nll;
    mtp_alone += stats.mtp_nll[0];
  }
  const model::StepStats packed = pass(std::move(both));
  // Attention's blocks are cut elsewhere, so sums are rounded otherwise.
  EXPECT_NEAR(packed.nll, alone, 1e-6 * alone);
  EXPECT_NEAR(packed.mtp_nll[0], mtp_alone, 1e-6 * mtp_alone);
  EXPECT_EQ(packed.targets, 14 + 12);
  EXPECT_EQ(packed.mtp_targets[0], 13 + 11);
}

}  // namespace
}  // namespace fathom::posttrain
