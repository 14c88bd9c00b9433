#include "posttrain/sft/packed_samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "posttrain/sft/sample_loss.h"

namespace fathom::posttrain {
namespace {

using ::testing::ElementsAre;
using ::testing::Not;

/// Three samples of 4, 3 and 2 tokens; the last two tokens of each are learnt.
SampleSet three() {
  SampleSet set;
  set.add(std::vector<i32>{10, 11, 12, 13}, std::vector<u8>{0, 0, 1, 1}, 0);
  set.add(std::vector<i32>{20, 21, 22}, std::vector<u8>{0, 1, 1}, 1);
  set.add(std::vector<i32>{30, 31}, std::vector<u8>{1, 1}, 1);
  return set;
}

template <typename T>
std::vector<T> list(View<const T, 1> view) {
  return {view.data(), view.data() + view.dim(0)};
}

TEST(PackedSamples, EachSampleIsADocumentAndItsAnswersAreTargets) {
  PackedSamples packed(three(), 8, 1, PackedSamples::Order::kAsPacked);
  EXPECT_EQ(packed.rows_per_epoch(), 2);
  EXPECT_DOUBLE_EQ(packed.filled(), 9.0 / 16.0);
  data::SequenceBatch batch;
  packed.read({0, 2}, /*mtp_depth=*/1, batch);
  EXPECT_THAT(list(batch.tokens()[0]), ElementsAre(10, 11, 12, 13, 20, 21, 22, 0, 0, 0));
  EXPECT_THAT(list(batch.documents()[0]), ElementsAre(0, 0, 0, 0, 1, 1, 1, -1, -1, -1));
  EXPECT_THAT(list(batch.targets()[0][0]), ElementsAre(-1, 12, 13, -1, 21, 22, -1, -1));
  // A module that looks two ahead crosses no end of a sample.
  EXPECT_THAT(list(batch.targets()[1][0]), ElementsAre(12, 13, -1, -1, 22, -1, -1, -1));
  // A first token has nothing before it.
  EXPECT_THAT(list(batch.targets()[0][1]), ElementsAre(31, -1, -1, -1, -1, -1, -1, -1));
  EXPECT_THAT(batch.sources, ElementsAre(0, 1));
}

TEST(PackedSamples, EveryEpochHoldsEverySampleOnceInAnotherOrder) {
  SampleSet set;
  for (i32 i = 0; i < 60; ++i) {
    const auto size = static_cast<size_t>(2 + i % 5);
    set.add(std::vector<i32>(size, i), std::vector<u8>(size, 1), 0);
  }
  PackedSamples packed(std::move(set), 12, 3, PackedSamples::Order::kShuffled);
  std::vector<std::vector<i64>> orders;
  for (i64 epoch = 0; epoch < 3; ++epoch) {
    std::vector<i64> seen;
    for (i64 row = 0; row < packed.rows_per_epoch(); ++row) {
      const auto samples = packed.row(epoch * packed.rows_per_epoch() + row);
      seen.insert(seen.end(), samples.begin(), samples.end());
    }
    EXPECT_EQ(std::set<i64>(seen.begin(), seen.end()).size(), 60u);
    EXPECT_EQ(seen.size(), 60u);
    orders.push_back(seen);
  }
  EXPECT_THAT(orders[1], Not(::testing::ElementsAreArray(orders[0])));
  EXPECT_THAT(orders[2], Not(::testing::ElementsAreArray(orders[1])));
  // Rows are read again as they were, whatever was read in between.
  const auto again = packed.row(0);
  EXPECT_EQ(again[0], orders[0][0]);
}

TEST(SampleLoss, WeighsTokensOrSamplesOfTheWholeStep) {
  PackedSamples packed(three(), 8, 1, PackedSamples::Order::kAsPacked);
  data::SequenceBatch batch;
  packed.read({0, 2}, 0, batch);
  std::vector<double> nll(16, 0.0);
  for (const auto& [at, value] :
       {std::pair<size_t, double>{1, 1.0}, {2, 2.0}, {4, 3.0}, {5, 4.0}, {8, 5.0}}) {
    nll[at] = value;
  }
  const auto weights_of = [&](SampleLoss& loss) {
    loss.begin_step(/*targets=*/5, /*samples=*/3);
    loss.begin_batch(batch);
    std::vector<float> weights(16, 9.0f);
    // In two stretches, as a large vocabulary cuts them.
    loss.weigh(0, {nll.data(), {5}}, {weights.data(), {5}});
    loss.weigh(5, {nll.data() + 5, {11}}, {weights.data() + 5, {11}});
    return weights;
  };
  SampleLoss tokens(SftLoss::kTokens), samples(SftLoss::kSamples);
  EXPECT_THAT(weights_of(tokens),
              ElementsAre(0, 0.2f, 0.2f, 0, 0.2f, 0.2f, 0, 0, 0.2f, 0, 0, 0, 0, 0, 0, 0));
  const float sixth = 0.5f * (1.0f / 3.0f);
  EXPECT_THAT(weights_of(samples), ElementsAre(0, sixth, sixth, 0, sixth, sixth, 0, 0, 1.0f / 3.0f,
                                               0, 0, 0, 0, 0, 0, 0));
  EXPECT_NEAR(tokens.sample_mean(), (1.5 + 3.5 + 5.0) / 3.0, 1e-6);
}

}  // namespace
}  // namespace fathom::posttrain
