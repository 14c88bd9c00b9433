#include "engine/cache/chain_key.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "engine/cache/test_pages.h"

namespace fathom::engine {
namespace {

std::string hex(const ChainKey& key) { return fmt::format("{:02x}", fmt::join(key.bytes, "")); }

// From Python:
//   blake2b(b"n" + pack("<Q", 5) + b"alice" + b"salt", key=bytes(range(32)), digest_size=32)
//   blake2b(b"p" + root + pack("<3i", 1, -2, 129279), ...)
//   blake2b(b"p" + page + pack("<128i", *range(128)), ...)
TEST(ChainHasher, IsKeyedBlake2b) {
  ChainSecret secret;
  std::iota(secret.begin(), secret.end(), u8{0});
  ChainHasher hasher(secret);
  const ChainKey root = hasher.root({"alice", "salt"});
  EXPECT_EQ(hex(root), "4f6ff1abeb954e54ccd91b93c05b0f51829a51f1c0ed708d24917e76d9a9bae2");
  const ChainKey page = hasher.next(root, std::vector<i32>{1, -2, 129279});
  EXPECT_EQ(hex(page), "468a69e30a8565f6146b6a64c77a0e9b9574d75ba96d612a359de7324135d56f");
  EXPECT_EQ(hex(hasher.next(page, counting(128))),
            "cc25a258a67409236076e1dfdf62f7596588cd521bc90be20dfc6a55eb68bb48");
}

TEST(ChainHasher, EverythingChangesTheKey) {
  ChainHasher hasher(random_secret()), other(random_secret());
  const std::vector<i32> ids = counting(128), fewer = counting(127);
  const ChainKey root = hasher.root({"alice", "salt"});
  const std::set<ChainKey> keys = {
      root,
      hasher.root({"alices", "alt"}),
      hasher.root({"alice", ""}),
      hasher.root({"", "alicesalt"}),
      hasher.root({"bob", "salt"}),
      other.root({"alice", "salt"}),
      hasher.next(root, ids),
      hasher.next(root, fewer),
      hasher.next(hasher.next(root, ids), ids),
      other.next(root, ids),
  };
  EXPECT_EQ(keys.size(), 10u);
  EXPECT_EQ(hasher.root({"alice", "salt"}), root) << "and nothing else does";
}

}  // namespace
}  // namespace fathom::engine
