#include "serve/metrics/history.h"

#include <gtest/gtest.h>

namespace fathom::serve {
namespace {

TEST(History, SamplesAreDifferencesOverTheirOwnTime) {
  History history(10);
  history.add({.generated_tokens = 100}, {}, 1000.0);
  EXPECT_TRUE(history.samples(0).empty());  // what was before is in no sample
  history.add({.prompt_tokens = 7, .generated_tokens = 150}, {.running = 2, .cache_share = 0.5},
              1005.0);
  history.add({.prompt_tokens = 7, .generated_tokens = 160, .refused = 1}, {}, 1007.5);
  const std::vector<Sample> samples = history.samples(0);
  ASSERT_EQ(samples.size(), 2);
  EXPECT_EQ(samples[0].activity.generated_tokens, 50);
  EXPECT_EQ(samples[0].activity.prompt_tokens, 7);
  EXPECT_EQ(samples[0].load.running, 2);
  EXPECT_DOUBLE_EQ(samples[0].load.cache_share, 0.5);
  EXPECT_DOUBLE_EQ(samples[0].seconds, 5.0);
  EXPECT_EQ(samples[1].activity.generated_tokens, 10);
  EXPECT_EQ(samples[1].activity.prompt_tokens, 0);
  EXPECT_EQ(samples[1].activity.refused, 1);
  EXPECT_DOUBLE_EQ(samples[1].seconds, 2.5);
}

TEST(History, KeepsTheLastOnesAndGivesThoseAfterAMoment) {
  History history(3);
  for (int i = 0; i <= 5; ++i) history.add({.finished = i * i}, {}, 10.0 + i);
  const std::vector<Sample> all = history.samples(0);
  ASSERT_EQ(all.size(), 3);
  EXPECT_DOUBLE_EQ(all[0].end_s, 13.0);
  EXPECT_EQ(all[2].activity.finished, 9);
  const std::vector<Sample> later = history.samples(14.0);
  ASSERT_EQ(later.size(), 1);
  EXPECT_DOUBLE_EQ(later[0].end_s, 15.0);
}

TEST(History, AClockThatIsSetBackMakesNoSample) {
  History history(10);
  history.add({}, {}, 100.0);
  history.add({.finished = 3}, {}, 50.0);
  history.add({.finished = 5}, {}, 55.0);
  const std::vector<Sample> samples = history.samples(0);
  ASSERT_EQ(samples.size(), 1);
  EXPECT_EQ(samples[0].activity.finished, 2);
  EXPECT_DOUBLE_EQ(samples[0].seconds, 5.0);
}

}  // namespace
}  // namespace fathom::serve
