#include "posttrain/sft/packing.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace fathom::posttrain {
namespace {

/// The room of each row, as leaves of a tree of maxima.
class Rooms {
 public:
  Rooms(size_t rows, i64 capacity) : leaves_(std::bit_ceil(std::max<size_t>(rows, 1))) {
    tree_.assign(2 * leaves_, capacity);
  }

  /// The first row with room for `length`, less that room.
  size_t take(i64 length) {
    size_t node = 1;
    while (node < leaves_) node = 2 * node + (tree_[2 * node] >= length ? 0 : 1);
    tree_[node] -= length;
    const size_t row = node - leaves_;
    for (node /= 2; node >= 1; node /= 2) {
      tree_[node] = std::max(tree_[2 * node], tree_[2 * node + 1]);
    }
    return row;
  }

 private:
  size_t leaves_;
  std::vector<i64> tree_;
};

}  // namespace

std::vector<i64> pack_first_fit(std::span<const i64> lengths, i64 capacity) {
  Rooms rooms(lengths.size(), capacity);
  std::vector<i64> rows;
  rows.reserve(lengths.size());
  i64 before = capacity;
  for (const i64 length : lengths) {
    FATHOM_CHECK(length >= 1 && length <= before, "a sample of ", length, " tokens behind one of ",
                 before);
    before = length;
    rows.push_back(static_cast<i64>(rooms.take(length)));
  }
  return rows;
}

}  // namespace fathom::posttrain
