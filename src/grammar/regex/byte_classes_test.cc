#include "grammar/regex/byte_classes.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace fathom::grammar {
namespace {

ByteSet random_bytes(std::mt19937& random) {
  ByteSet set;
  for (u64 ranges = random() % 4; ranges-- > 0;) {
    const u64 first = random() % 256;
    set = set |
          ByteSet::range(static_cast<u8>(first), static_cast<u8>(first + random() % (256 - first)));
  }
  return random() % 2 == 0 ? set : ~set;
}

TEST(ByteSet, IsASetOfBytes) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    const ByteSet a = random_bytes(random), b = random_bytes(random);
    i64 size = 0;
    for (u32 value = 0; value < 256; ++value) {
      const u8 byte = static_cast<u8>(value);
      size += a.contains(byte) ? 1 : 0;
      EXPECT_EQ((a | b).contains(byte), a.contains(byte) || b.contains(byte));
      EXPECT_EQ((a & b).contains(byte), a.contains(byte) && b.contains(byte));
      EXPECT_EQ((~a).contains(byte), !a.contains(byte));
    }
    EXPECT_EQ(a.size(), size);
    EXPECT_EQ(a.empty(), size == 0);
  }
}

// Two bytes are of one class just where every set has both or none.
TEST(ByteClasses, AreTheCoarsestPartition) {
  std::mt19937 random(2);
  for (int round = 0; round < 100; ++round) {
    ByteClasses classes;
    std::vector<ByteSet> sets;
    for (u64 i = random() % 12; i-- > 0;) {
      sets.push_back(random_bytes(random));
      classes.refine(sets.back());
    }
    std::set<std::vector<bool>> memberships;
    for (u32 a = 0; a < 256; ++a) {
      std::vector<bool> membership;
      for (const ByteSet& set : sets) membership.push_back(set.contains(static_cast<u8>(a)));
      memberships.insert(membership);
      const u8 member = classes.member(classes.class_of(static_cast<u8>(a)));
      EXPECT_EQ(classes.class_of(member), classes.class_of(static_cast<u8>(a)));
      for (const ByteSet& set : sets) {
        EXPECT_EQ(set.contains(member), set.contains(static_cast<u8>(a)));
      }
    }
    EXPECT_EQ(classes.count(), memberships.size());
  }
}

TEST(ByteClasses, MayBeAsManyAsBytes) {
  ByteClasses classes;
  for (u32 byte = 0; byte < 256; ++byte) classes.refine(ByteSet::of(static_cast<u8>(byte)));
  EXPECT_EQ(classes.count(), 256u);
  for (u32 byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(classes.member(classes.class_of(static_cast<u8>(byte))), byte);
  }
}

}  // namespace
}  // namespace fathom::grammar
