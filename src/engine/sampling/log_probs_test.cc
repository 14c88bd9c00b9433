#include "engine/sampling/log_probs.h"

#include <gtest/gtest.h>

#include <cmath>

#include "backend/backend.h"
#include "base/rng.h"

namespace fathom::engine {
namespace {

TEST(LogProbs, AreNaturalAndFallingAndTheLowerIdOfEqualsComesFirst) {
  Ctx ctx = backend::make_context();
  const std::vector<float> logits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit));
  Event event;
  fill_log_probs(ctx, {logits.data(), {5}}, /*id=*/2, /*num_top=*/3, event);
  EXPECT_NEAR(event.log_prob, 2 - std::log(total), 1e-6);
  ASSERT_EQ(event.num_top, 3);
  EXPECT_EQ(event.top[0].id, 1);
  EXPECT_EQ(event.top[1].id, 3);
  EXPECT_EQ(event.top[0].log_prob, event.top[1].log_prob);
  EXPECT_NEAR(event.top[0].log_prob, 3 - std::log(total), 1e-6);
  EXPECT_EQ(event.top[2].id, 2);
  EXPECT_EQ(event.top[2].log_prob, event.log_prob);
  fill_log_probs(ctx, {logits.data(), {5}}, /*id=*/2, /*num_top=*/20, event);
  EXPECT_EQ(event.num_top, 5) << "no more than there are";
}

// Evaluations call a token the greedy one if its number equals the largest of the tops.
TEST(LogProbs, OfATokenEqualToTheBitThoseAmongTheTops) {
  Ctx ctx = backend::make_context();
  const Philox rng(1, 2);
  std::vector<float> logits(300);
  for (u64 round = 0; round < 200; ++round) {
    for (size_t i = 0; i < logits.size(); ++i) {
      logits[i] = static_cast<float>(4 * rng.normal(round * 1000 + i));
    }
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    Event event;
    fill_log_probs(ctx, {logits.data(), {300}}, static_cast<i32>(best), 3, event);
    ASSERT_EQ(event.top[0].id, best);
    ASSERT_EQ(event.top[0].log_prob, event.log_prob) << "round " << round;
    const i32 second = event.top[1].id;
    fill_log_probs(ctx, {logits.data(), {300}}, second, 3, event);
    ASSERT_EQ(event.top[1].log_prob, event.log_prob) << "round " << round;
    ASSERT_LT(event.log_prob, event.top[0].log_prob);
  }
}

}  // namespace
}  // namespace fathom::engine
