#pragma once
// The trainer's book of pairs of adjacent tokens: how often each occurs, where, and which is next.
#include <queue>
#include <vector>

#include "base/types.h"

namespace fathom::tokenizer {

/// left id in the high half: keys order as pairs of ids do.
using PairKey = u64;
constexpr PairKey pair_key(u32 left, u32 right) { return u64{left} << 32 | right; }
constexpr u32 left_of(PairKey key) { return static_cast<u32>(key >> 32); }
constexpr u32 right_of(PairKey key) { return static_cast<u32>(key); }

/// Key -> number. Open addressing, linear probing, at most half full, no removal.
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

/// A pair is added once, with all its positions; afterwards it only loses occurrences. So a stored
/// count is never too small, and the queue yields the true maximum by re-inserting what has fallen.
class PairBook {
 public:
  struct Entry {
    PairKey key = 0;
    i64 count = 0;
    u64 first_position = 0;
    u32 num_positions = 0;
  };

  /// Pairs with smaller counts are never chosen, and need not be added.
  explicit PairBook(i64 least_count) : least_count_(least_count) {}

  i64 least_count() const { return least_count_; }

  /// Makes room for `count` positions and returns the first one's index. The caller fills them in
  /// through position(), before it adds the entries that refer to them or after.
  u64 extend_positions(u64 count);
  u32& position(u64 index) { return positions_[index]; }

  /// `entry.key` must be new.
  void add(const Entry& entry);
  /// Takes `count` occurrences from a pair; nothing if it was never added.
  void lose(PairKey key, i64 count);
  /// The pair with the largest count, of equal counts the smallest key, is moved to `best` and
  /// never comes again. False if none occurs least_count times.
  bool take_best(Entry& best);

 private:
  struct Candidate {
    i64 count;
    PairKey key;
    u32 entry;
  };
  struct ComesLater {
    bool operator()(const Candidate& a, const Candidate& b) const {
      return a.count != b.count ? a.count < b.count : a.key > b.key;
    }
  };

  const i64 least_count_;
  std::vector<Entry> entries_;
  PairIndex entry_of_;
  std::vector<u32> positions_;
  std::priority_queue<Candidate, std::vector<Candidate>, ComesLater> queue_;
};

}  // namespace fathom::tokenizer
