#pragma once
// Pairs of token ids as one number, and the hash table from pairs to entry numbers that the trainer
// looks into once per pair and merge.
#include <vector>

#include "base/types.h"

namespace fathom::tokenizer {

/// left id in the high half: keys order as pairs of ids do.
using PairKey = u64;
constexpr PairKey pair_key(u32 left, u32 right) { return u64{left} << 32 | right; }
constexpr u32 left_of(PairKey key) { return static_cast<u32>(key >> 32); }
constexpr u32 right_of(PairKey key) { return static_cast<u32>(key); }

/// Open addressing, linear probing, at most half full, no removal.
class PairIndex {
 public:
  static constexpr u32 kNone = 0xFFFFFFFF;

  /// `key` must be new.
  void insert(PairKey key, u32 value) {
    if (2 * (size_ + 1) > cells_.size()) grow();
    place({key, value});
    ++size_;
  }

  u32 find(PairKey key) const {
    if (cells_.empty()) return kNone;
    for (size_t i = home(key);; i = (i + 1) & mask_) {
      if (cells_[i].value == kNone || cells_[i].key == key) return cells_[i].value;
    }
  }

 private:
  struct Cell {
    PairKey key = 0;
    u32 value = kNone;
  };

  // Fibonacci hashing: ids are consecutive, the high bits of the product spread them.
  size_t home(PairKey key) const {
    const u64 mixed = (key ^ key >> 29) * 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(mixed >> 32) & mask_;
  }
  void place(Cell cell) {
    size_t i = home(cell.key);
    while (cells_[i].value != kNone) i = (i + 1) & mask_;
    cells_[i] = cell;
  }
  void grow() {
    std::vector<Cell> old(cells_.empty() ? 1024 : 2 * cells_.size());
    old.swap(cells_);
    mask_ = cells_.size() - 1;
    for (const Cell& cell : old) {
      if (cell.value != kNone) place(cell);
    }
  }

  std::vector<Cell> cells_;
  size_t mask_ = 0;
  size_t size_ = 0;
};

}  // namespace fathom::tokenizer
