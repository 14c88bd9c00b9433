#pragma once
// The merge rule of byte-level BPE: start from single bytes; while some adjacent pair has a merge,
// apply the one of lowest rank, the leftmost of equals.
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {

/// (left, right) -> rank and merged token: open addressing, 16 bytes a slot, at most half full.
class MergeTable {
 public:
  struct Entry {
    i32 left = -1;
    i32 right = -1;
    i32 rank = 0;
    i32 merged = 0;
  };
  MergeTable() : MergeTable(0) {}
  explicit MergeTable(size_t num_merges);

  /// The last of two equal pairs wins, as in Hugging Face.
  void insert(const Entry& entry);
  /// nullptr if the pair does not merge.
  const Entry* find(i32 left, i32 right) const {
    for (size_t slot = slot_of(left, right);; slot = (slot + 1) & mask_) {
      const Entry& entry = slots_[slot];
      if (entry.left == left && entry.right == right) return &entry;
      if (entry.left < 0) return nullptr;
    }
  }

 private:
  size_t slot_of(i32 left, i32 right) const {
    const u64 key = static_cast<u64>(static_cast<u32>(left)) << 32 | static_cast<u32>(right);
    return static_cast<size_t>((key * 0x9E3779B97F4A7C15u) >> shift_);
  }

  std::vector<Entry> slots_;
  size_t mask_ = 0;
  u32 shift_ = 0;
};

class Bpe {
 public:
  /// A longer piece is the caller's to refuse.
  static constexpr size_t kMaxPieceBytes = size_t{1} << 30;

  /// byte_ids[b] is the token of byte b, or -1 if there is none (bytes that UTF-8 never uses).
  Bpe(const std::array<i32, 256>& byte_ids, MergeTable merges)
      : byte_ids_(byte_ids), merges_(std::move(merges)) {}

  /// Appends the ids of `piece`. O(n log n) for n bytes; short pieces take a quicker way to the
  /// same ids.
  void merge(std::string_view piece, std::vector<i32>& ids) const;

  const std::array<i32, 256>& byte_ids() const { return byte_ids_; }

 private:
  void merge_short(std::string_view piece, std::vector<i32>& ids) const;
  void merge_long(std::string_view piece, std::vector<i32>& ids) const;

  std::array<i32, 256> byte_ids_;
  MergeTable merges_;
};

}  // namespace fathom::tokenizer
