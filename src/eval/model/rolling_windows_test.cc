#include "eval/model/rolling_windows.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>

namespace fathom::eval {
namespace {

constexpr i32 kPrefix = -100;

std::vector<i32> document(i32 tokens) {
  std::vector<i32> ids(static_cast<size_t>(tokens) + 1);
  std::iota(ids.begin(), ids.end(), -1);
  ids[0] = kPrefix;
  return ids;
}

/// From `first` to `last`, both included.
std::vector<i32> range(i32 first, i32 last) {
  std::vector<i32> ids(static_cast<size_t>(last - first + 1));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

// lm-evaluation-harness, tests/test_utils.py, get_rolling_token_windows of 34 tokens with 10.
TEST(RollingWindows, AreLmEvalsWithoutAStride) {
  const auto windows = rolling_windows(document(34), 10, 0, 0);
  ASSERT_EQ(windows.size(), 4u);
  std::vector<i32> first = range(0, 9);
  first.insert(first.begin(), kPrefix);
  EXPECT_EQ(windows[0].ids, first);
  EXPECT_EQ(windows[1].ids, range(9, 19));
  EXPECT_EQ(windows[2].ids, range(19, 29));
  EXPECT_EQ(windows[3].ids, range(23, 33));
  const i64 contexts[] = {1, 1, 1, 7};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(windows[i].context_tokens, contexts[i]) << i;
}

TEST(RollingWindows, PredictEachTokenOnceAndSeeNoMoreThanTheyMay) {
  for (const i32 tokens : {0, 1, 2, 9, 10, 11, 57}) {
    for (const i64 window : {1, 3, 10}) {
      for (i64 stride = 0; stride <= window; ++stride) {
        std::vector<i32> predicted;
        for (const Window& each : rolling_windows(document(tokens), 10, window, stride)) {
          EXPECT_LE(std::ssize(each.ids) - 1, window);
          EXPECT_GE(each.context_tokens, 1);
          const i64 before = std::ssize(predicted) + 1;
          const i64 fit = window + 1 - (std::ssize(each.ids) - each.context_tokens);
          EXPECT_EQ(each.context_tokens, std::min(before, fit));
          predicted.insert(predicted.end(), each.ids.begin() + each.context_tokens, each.ids.end());
        }
        EXPECT_EQ(predicted, tokens == 0 ? std::vector<i32>() : range(0, tokens - 1));
      }
    }
  }
}

}  // namespace
}  // namespace fathom::eval
