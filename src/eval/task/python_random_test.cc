#include "eval/task/python_random.h"

#include <gmock/gmock.h>

namespace fathom::eval {
namespace {

using ::testing::ElementsAre;

// python3 -c 'import random; r = random.Random(1234); ...'
TEST(PythonRandomTest, IsPythonsOwn) {
  PythonRandom raw(1234);
  for (const u32 want : {4150886329u, 3342196574u, 1892932127u, 501869158u}) {
    EXPECT_EQ(raw.next_u32(), want);
  }
  PythonRandom twice(1234);
  EXPECT_THAT(twice.sample(100, 5), ElementsAre(99, 56, 14, 0, 11));
  EXPECT_THAT(twice.sample(100, 5), ElementsAre(74, 4, 85, 88, 10));
  EXPECT_THAT(PythonRandom(1234).sample(7473, 8),
              ElementsAre(6374, 3610, 957, 61, 742, 7462, 6610, 4769));
  EXPECT_THAT(PythonRandom(1234).sample(20, 5), ElementsAre(14, 3, 0, 2, 1));
  EXPECT_THAT(PythonRandom(0).choices(10, 5), ElementsAre(8, 7, 4, 2, 5));
}

TEST(PythonRandomTest, ASampleOfAllIsAPermutation) {
  std::vector<i64> all = PythonRandom(7).sample(30, 30);
  std::ranges::sort(all);
  for (i64 i = 0; i < 30; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], i);
}

}  // namespace
}  // namespace fathom::eval
