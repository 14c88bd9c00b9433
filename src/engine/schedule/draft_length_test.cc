#include "engine/schedule/draft_length.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/rng.h"

namespace fathom::engine {
namespace {

/// A decode pass of one row takes 1; each further one adds `row`, each draft pass takes `draft`.
CostModel machine(double row, double draft = 0.05) {
  const CostCurve layer({{1, 1}}, 0);
  return {.decode = CostCurve({{1, 1}, {2, 1 + row}}, 0),
          .layer = layer,
          .part = layer,
          .draft = CostCurve({{1, draft}, {64, draft}}, 0)};
}

/// Sequences whose drafts are kept with a given chance at each position, on a machine that costs
/// what the model of it says.
class Decoder {
 public:
  Decoder(int max_drafts, CostModel cost, size_t sequences, double chance)
      : policy_(max_drafts), cost_(std::move(cost)), chance_(sequences, chance) {
    for (size_t i = 0; i < sequences; ++i) history_.push_back(policy_.begin());
  }
  void set_chance(size_t sequence, double chance) { chance_[sequence] = chance; }

  /// Until every sequence has emitted so many tokens more; tokens over the time of as many without
  /// any drafts.
  double speedup(i64 tokens) {
    double seconds = 0;
    i64 emitted_of_all = 0;
    std::vector<i64> emitted(history_.size());
    while (*std::min_element(emitted.begin(), emitted.end()) < tokens) {
      seconds += step(emitted);
    }
    for (const i64 each : emitted) emitted_of_all += each;
    const auto b = static_cast<double>(history_.size());
    const double without_s = cost_.decode.seconds(static_cast<i64>(history_.size()), 0) / b;
    return static_cast<double>(emitted_of_all) * without_s / seconds;
  }

  const std::vector<DraftLength::Sequence>& last() const { return batch_; }
  const DraftLength& policy() const { return policy_; }
  double mean_drafts(size_t i) const {
    return static_cast<double>(drafts_[i]) / static_cast<double>(steps_);
  }
  void forget_means() { drafts_.assign(history_.size(), 0), steps_ = 0; }

 private:
  double step(std::vector<i64>& emitted) {
    batch_.clear();
    for (DraftHistory& each : history_) batch_.push_back({.history = &each, .limit = 1000});
    policy_.choose(batch_, 0, cost_);
    drafts_.resize(batch_.size());
    ++steps_;
    i64 rows = 0;
    std::array<i64, kMaxDrafts> at_depth{};
    for (size_t i = 0; i < batch_.size(); ++i) {
      const int drafts = batch_[i].drafts;
      rows += 1 + drafts;
      drafts_[i] += drafts;
      int accepted = 0;
      for (int j = 0; j < drafts; ++j) ++at_depth[static_cast<size_t>(j)];
      while (accepted < drafts && random_.uniform(draws_++) < chance_[i]) ++accepted;
      policy_.observe(history_[i], drafts, accepted, accepted + 1);
      emitted[i] += accepted + 1;
    }
    double seconds = cost_.decode.seconds(rows, 0);
    for (const i64 n : at_depth) seconds += n == 0 ? 0 : cost_.draft.seconds(n, 0);
    return seconds;
  }

  DraftLength policy_;
  CostModel cost_;
  std::vector<double> chance_;
  std::vector<DraftHistory> history_;
  std::vector<DraftLength::Sequence> batch_;
  std::vector<i64> drafts_;
  i64 steps_ = 0;
  Philox random_{7, 0};
  u64 draws_ = 0;
};

TEST(DraftLength, WhatIsNeverKeptIsSwitchedOffAtOnce) {
  for (const int most : {1, 3}) {
    Decoder decoder(most, machine(0.3), 1, 0);
    EXPECT_GE(decoder.speedup(512), 0.95);
    decoder.forget_means();
    EXPECT_GE(decoder.speedup(4096), 0.98) << "probes cost next to nothing";
    EXPECT_LT(decoder.mean_drafts(0), 0.02);
    EXPECT_GT(decoder.policy().counters().disabled_steps[0], 4000u);
  }
}

TEST(DraftLength, WhatIsMostlyKeptStaysOn) {
  Decoder decoder(1, machine(0.3), 1, 0.85);
  EXPECT_NEAR(decoder.speedup(4096), 1.85 / 1.35, 0.03);
  EXPECT_GT(decoder.mean_drafts(0), 0.98);
}

TEST(DraftLength, ExpensiveRowsMeanFewerDrafts) {
  double before = 4;
  for (const double row : {0.02, 0.35, 0.6, 0.7, 0.9}) {
    double best = 1, kept = 1, tokens = 1;
    for (int k = 1; k <= 4; ++k)
      best = std::max(best, (tokens += kept *= 0.85) / (1 + k * (row + 0.05)));
    Decoder decoder(4, machine(row), 1, 0.85);
    decoder.speedup(512);
    decoder.forget_means();
    EXPECT_GE(decoder.speedup(8192), 0.94 * best) << row;
    EXPECT_LE(decoder.mean_drafts(0), before) << row;
    before = decoder.mean_drafts(0);
    if (row == 0.02) {
      EXPECT_GT(before, 3.8);
    }
    if (row == 0.35) {
      EXPECT_NEAR(before, 3, 0.4);
    }
  }
  EXPECT_LT(before, 0.1) << "1.85 tokens for 1.95 times the cost";
}

TEST(DraftLength, AProbeFindsThatDraftsAreGoodAgain) {
  Decoder decoder(3, machine(0.1), 1, 0);
  decoder.speedup(1024);
  EXPECT_EQ(decoder.last()[0].drafts, 0);
  decoder.set_chance(0, 0.9);
  decoder.speedup(4096);
  EXPECT_EQ(decoder.last()[0].drafts, 3);
}

TEST(DraftLength, ANewSequenceIsLikeTheOthersBeforeIt) {
  Decoder decoder(1, machine(0.3), 1, 0);
  decoder.speedup(1024);
  DraftHistory fresh = decoder.policy().begin();
  EXPECT_LT(fresh.acceptance[0], 0.4);
}

TEST(DraftLength, ShortSequencesProbeToo) {
  DraftLength policy(1);
  const CostModel cost = machine(0.9);
  i64 tokens = 0, drafts = 0;
  for (int sequence = 0; sequence < 100; ++sequence) {
    DraftHistory history = policy.begin();
    for (int step = 0; step < 20; ++step) {
      DraftLength::Sequence one[] = {{.history = &history, .limit = 100}};
      policy.choose(one, 0, cost);
      policy.observe(history, one[0].drafts, 0, 1);
      drafts += one[0].drafts;
      ++tokens;
    }
  }
  EXPECT_GE(drafts, 4 * 4);
  EXPECT_LE(drafts, tokens / 40);
}

TEST(DraftLength, EachSequenceOfABatchGetsItsOwn) {
  Decoder decoder(3, machine(0.15), 4, 0.9);
  decoder.set_chance(2, 0);
  decoder.speedup(512);
  decoder.forget_means();
  decoder.speedup(1024);
  EXPECT_LT(decoder.mean_drafts(2), 0.1);
  for (const size_t i : {0u, 1u, 3u}) EXPECT_GT(decoder.mean_drafts(i), 2.5);
}

TEST(DraftLength, OneGoodSequenceAmongManyDraftsIfRowsAreCheap) {
  Decoder decoder(1, machine(0.01, 0.002), 32, 0);
  decoder.set_chance(5, 1);
  decoder.speedup(512);
  EXPECT_EQ(decoder.last()[5].drafts, 1);
}

/// The best lengths by trying all, for batches of two and three.
TEST(DraftLength, NoOtherLengthsAreBetter) {
  const Philox random(3, 0);
  u64 draw = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const double row = random.uniform(draw++), draft = random.uniform(draw++);
    const CostModel cost = machine(row * 0.8, draft * 0.1);
    DraftLength policy(3);
    std::array<DraftHistory, 3> histories;
    std::vector<DraftLength::Sequence> batch;
    for (DraftHistory& each : histories) {
      for (double& a : each.acceptance) a = random.uniform(draw++);
      batch.push_back({.history = &each, .limit = 3});
    }
    policy.choose(batch, 0, cost);
    const auto rate = [&](std::array<int, 3> k) {
      double tokens = 3, seconds = cost.decode.seconds(3 + k[0] + k[1] + k[2], 0);
      for (int depth = 1; depth <= 3; ++depth) {
        const auto there =
            std::count_if(k.begin(), k.end(), [&](int each) { return each >= depth; });
        if (there > 0) seconds += cost.draft.seconds(there, 0);
      }
      for (size_t i = 0; i < 3; ++i) {
        double kept = 1;
        for (int j = 0; j < k[i]; ++j)
          tokens += kept *= histories[i].acceptance[static_cast<size_t>(j)];
      }
      return tokens / seconds;
    };
    double best = 0;
    for (int code = 0; code < 64; ++code) {
      best = std::max(best, rate({code % 4, code / 4 % 4, code / 16}));
    }
    // Less than 5 % is left alone.
    EXPECT_GE(rate({batch[0].drafts, batch[1].drafts, batch[2].drafts}), best / 1.05) << trial;
  }
}

TEST(DraftLength, LessThanFivePercentIsNoReason) {
  DraftLength policy(1);
  DraftHistory history = policy.begin();
  for (const auto& [acceptance, drafts] : {std::pair{0.5, 0}, {0.53, 1}}) {
    history.acceptance[0] = acceptance;
    DraftLength::Sequence one[] = {{.history = &history, .limit = 9}};
    policy.choose(one, 0, machine(0.4, 0.05));  // 1.45 times the time
    EXPECT_EQ(one[0].drafts, drafts) << acceptance;
  }
}

TEST(DraftLength, NoDraftBeyondTheEnd) {
  DraftLength policy(3);
  DraftHistory history = policy.begin();
  history.acceptance.fill(1);
  history.tokens_since_probe = 256;
  for (const i64 limit : {0, 1, 2}) {
    DraftLength::Sequence one[] = {{.history = &history, .limit = limit}};
    policy.choose(one, 0, machine(0.01));
    EXPECT_EQ(one[0].drafts, limit);
  }
  EXPECT_EQ(policy.counters().disabled_steps[1], 1u);
}

TEST(DraftLength, CountsByPosition) {
  DraftLength policy(3);
  DraftHistory history = policy.begin();
  policy.observe(history, 3, 2, 3);
  policy.observe(history, 3, 0, 1);
  policy.observe(history, 2, 2, 3);
  policy.observe(history, 0, 0, 1);
  const DraftCounters& c = policy.counters();
  EXPECT_EQ(c.drafts, 3u);
  EXPECT_EQ(c.draft_tokens, 8u);
  EXPECT_EQ(c.accepted_tokens, 4u);
  EXPECT_EQ(c.accepted_per_position[0], 2u);
  EXPECT_EQ(c.accepted_per_position[1], 2u);
  EXPECT_EQ(c.accepted_per_position[2], 0u);
  EXPECT_EQ(history.tokens_since_probe, 8);
  EXPECT_THROW(policy.observe(history, 1, 2, 3), InternalError);
}

TEST(DraftLength, WithoutAModuleThereAreNone) {
  DraftLength policy(0);
  DraftHistory history = policy.begin();
  DraftLength::Sequence one[] = {{.history = &history, .limit = 9}};
  policy.choose(one, 0, machine(0.01));
  EXPECT_EQ(one[0].drafts, 0);
  EXPECT_THROW(DraftLength(kMaxDrafts + 1), InternalError);
}

}  // namespace
}  // namespace fathom::engine
