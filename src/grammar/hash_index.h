#pragma once
// Two open-addressing tables without removal: what interning and memoising need.
#include <optional>
#include <vector>

#include "base/types.h"

namespace fathom::grammar {

/// Mixes `value` into a hash.
inline u64 mix_hash(u64 hash, u64 value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 29;
}

/// Indices of values that are kept elsewhere, found by their content.
class HashIndex {
 public:
  /// The index whose value has `hash` and for which equals(index) holds; else inserts `next`.
  template <typename Equals>
  u32 find_or_insert(u64 hash, u32 next, Equals equals) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    const u32 tag = static_cast<u32>(hash >> 32);
    size_t at = hash & (slots_.size() - 1);
    for (; slots_[at].index != kFree; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].tag == tag && equals(slots_[at].index)) return slots_[at].index;
    }
    slots_[at] = {next, tag, static_cast<u32>(hash)};
    ++size_;
    return next;
  }
  i64 memory_bytes() const { return std::ssize(slots_) * static_cast<i64>(sizeof(Slot)); }

 private:
  static constexpr u32 kFree = ~u32{0};
  struct Slot {
    u32 index = kFree, tag = 0, low = 0;
  };

  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.index == kFree) continue;
      size_t at = slot.low & (slots_.size() - 1);
      while (slots_[at].index != kFree) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two of them
  size_t size_ = 0;
};

/// Numbers by numbers. The key ~0 must not be used.
class HashMap {
 public:
  std::optional<u32> find(u64 key) const {
    if (slots_.empty()) return std::nullopt;
    size_t at = start(key);
    for (; slots_[at].key != kFree; at = (at + 1) & (slots_.size() - 1)) {
      if (slots_[at].key == key) return slots_[at].value;
    }
    return std::nullopt;
  }
  /// Replaces the value, if there is one.
  void insert(u64 key, u32 value) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    size_t at = start(key);
    while (slots_[at].key != kFree && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
    size_ += slots_[at].key == kFree ? 1 : 0;
    slots_[at] = {key, value};
  }
  i64 memory_bytes() const { return std::ssize(slots_) * static_cast<i64>(sizeof(Slot)); }

 private:
  static constexpr u64 kFree = ~u64{0};
  struct Slot {
    u64 key = kFree;
    u32 value = 0;
  };

  size_t start(u64 key) const { return mix_hash(0x51ED270B, key) & (slots_.size() - 1); }
  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.key == kFree) continue;
      size_t at = start(slot.key);
      while (slots_[at].key != kFree) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two of them
  size_t size_ = 0;
};

}  // namespace fathom::grammar
