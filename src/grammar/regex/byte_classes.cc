#include "grammar/regex/byte_classes.h"

namespace fathom::grammar {

void ByteClasses::refine(const ByteSet& set) {
  std::array<i32, 256> split;  // the new class of a class's bytes inside `set`
  split.fill(-1);
  std::array<bool, 256> has_outside{};
  for (u32 byte = 0; byte < 256; ++byte) {
    if (!set.contains(static_cast<u8>(byte))) has_outside[class_of_[byte]] = true;
  }
  for (u32 byte = 0; byte < 256; ++byte) {
    const u8 old = class_of_[byte];
    if (!set.contains(static_cast<u8>(byte)) || !has_outside[old]) continue;
    if (split[old] < 0) split[old] = static_cast<i32>(count_++);
    class_of_[byte] = static_cast<u8>(split[old]);
  }
  for (u32 byte = 0; byte < 256; ++byte) members_[class_of_[byte]] = static_cast<u8>(byte);
}

}  // namespace fathom::grammar
