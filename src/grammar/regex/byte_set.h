#pragma once
#include <array>
#include <bit>

#include "base/types.h"

namespace fathom::grammar {

/// A set of byte values.
class ByteSet {
 public:
  constexpr ByteSet() = default;
  static constexpr ByteSet of(u8 byte) { return range(byte, byte); }
  /// Both ends belong to it.
  static constexpr ByteSet range(u8 first, u8 last) {
    ByteSet set;
    for (u32 byte = first; byte <= last; ++byte) set.words_[byte / 64] |= u64{1} << byte % 64;
    return set;
  }
  static constexpr ByteSet all() { return range(0, 255); }

  constexpr bool contains(u8 byte) const { return (words_[byte / 64] >> byte % 64 & 1) != 0; }
  constexpr bool empty() const { return *this == ByteSet(); }
  constexpr i64 size() const {
    i64 size = 0;
    for (const u64 word : words_) size += std::popcount(word);
    return size;
  }
  constexpr ByteSet operator|(const ByteSet& other) const {
    ByteSet set;
    for (size_t i = 0; i < 4; ++i) set.words_[i] = words_[i] | other.words_[i];
    return set;
  }
  constexpr ByteSet operator&(const ByteSet& other) const {
    ByteSet set;
    for (size_t i = 0; i < 4; ++i) set.words_[i] = words_[i] & other.words_[i];
    return set;
  }
  constexpr ByteSet operator~() const {
    ByteSet set;
    for (size_t i = 0; i < 4; ++i) set.words_[i] = ~words_[i];
    return set;
  }
  constexpr bool operator==(const ByteSet&) const = default;
  constexpr const std::array<u64, 4>& words() const { return words_; }

 private:
  std::array<u64, 4> words_{};
};

}  // namespace fathom::grammar
