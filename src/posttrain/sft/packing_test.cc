#include "posttrain/sft/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/check.h"
#include "base/rng.h"

namespace fathom::posttrain {
namespace {

using ::testing::ElementsAre;

TEST(Packing, TheFirstRowWithRoom) {
  EXPECT_THAT(pack_first_fit(std::vector<i64>{7, 6, 4, 3, 3, 2, 1}, 10),
              ElementsAre(0, 1, 1, 0, 2, 2, 2));
  EXPECT_THAT(pack_first_fit(std::vector<i64>{10, 10}, 10), ElementsAre(0, 1));
  EXPECT_THAT(pack_first_fit({}, 10), ElementsAre());
}

// Against the obvious search, and within the bound that is known for it.
TEST(Packing, AsTheObviousSearch) {
  const Philox rng(5, 1);
  std::vector<i64> lengths;
  for (u64 i = 0; i < 700; ++i) {
    lengths.push_back(1 + static_cast<i64>(rng.uniform(i) * rng.uniform(i + 1000) * 96));
  }
  std::ranges::sort(lengths, std::greater<>{});
  const std::vector<i64> rows = pack_first_fit(lengths, 96);
  std::vector<i64> room;
  i64 total = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const auto fits = std::ranges::find_if(room, [&](i64 r) { return r >= lengths[i]; });
    EXPECT_EQ(rows[i], fits - room.begin());
    if (fits == room.end()) {
      room.push_back(96 - lengths[i]);
    } else {
      *fits -= lengths[i];
    }
    total += lengths[i];
  }
  EXPECT_GT(static_cast<double>(total) / static_cast<double>(96 * std::ssize(room)), 0.95);
}

TEST(Packing, WhatIsNoOrderIsOurMistake) {
  EXPECT_THROW(pack_first_fit(std::vector<i64>{3, 4}, 10), InternalError);
  EXPECT_THROW(pack_first_fit(std::vector<i64>{11}, 10), InternalError);
  EXPECT_THROW(pack_first_fit(std::vector<i64>{0}, 10), InternalError);
}

}  // namespace
}  // namespace fathom::posttrain
