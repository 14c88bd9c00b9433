#pragma once
#include <array>

#include "grammar/regex/byte_set.h"

namespace fathom::grammar {

/// The coarsest partition of the bytes by which every set given to refine() is a union of parts:
/// bytes of one class lead every expression made of those sets to the same derivative.
class ByteClasses {
 public:
  void refine(const ByteSet& set);

  u32 count() const { return count_; }
  u8 class_of(u8 byte) const { return class_of_[byte]; }
  /// Some byte of the class.
  u8 member(u32 byte_class) const { return members_[byte_class]; }

 private:
  std::array<u8, 256> class_of_{};
  std::array<u8, 256> members_{};
  u32 count_ = 1;
};

}  // namespace fathom::grammar
