// Multiples of a number, digit by digit.
#include "base/check.h"
#include "grammar/regex/regex_arena.h"

namespace fathom::grammar {
namespace {

using Wide = unsigned __int128;
using Next = MultipleOf::Next;

constexpr u32 kMaxPlaces = 18;

Wide power_of_ten(u32 exponent) {
  Wide power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

/// What the places still to come must be to make a multiple, as the least integer.
u64 missing(const MultipleOf& multiple) {
  const Wide scaled = multiple.remainder * power_of_ten(multiple.places) % multiple.modulus;
  return scaled == 0 ? 0 : multiple.modulus - static_cast<u64>(scaled);
}

}  // namespace

Regex RegexArena::multiple_of(const MultipleOf& multiple) {
  FATHOM_CHECK(multiple.modulus > 0 && multiple.modulus <= power_of_ten(18) &&
               multiple.places <= kMaxPlaces && multiple.remainder < multiple.modulus);
  const u64 missing_digits = missing(multiple);
  if (multiple.next != Next::kInteger && missing_digits >= power_of_ten(multiple.places)) {
    return kNothing;
  }
  classes_.refine(ByteSet::of('.'));
  for (u8 digit = '0'; digit <= '9'; ++digit) classes_.refine(ByteSet::of(digit));
  const u64 hash = mix_hash(mix_hash(multiple.modulus, multiple.remainder),
                            multiple.places * 3 + static_cast<u64>(multiple.next));
  const u32 next = static_cast<u32>(multiples_.size());
  const u32 at = multiple_index_.find_or_insert(
      hash, next, [&](u32 other) { return multiples_[other] == multiple; });
  if (at == next) multiples_.push_back(multiple);
  const bool may_end = multiple.next != Next::kFraction && missing_digits == 0;
  return intern({.kind = RegexKind::kMultiple, .nullable = may_end, .extra = at}, {});
}

Regex RegexArena::derivative_of_multiple(MultipleOf multiple, u8 byte) {
  if (byte == '.' && multiple.next == Next::kInteger) {
    multiple.next = Next::kFraction;
    return multiple_of(multiple);
  }
  if (byte < '0' || byte > '9') return kNothing;
  if (multiple.next != Next::kInteger) {
    multiple.next = Next::kFractionOrEnd;
    if (multiple.places == 0) return byte == '0' ? multiple_of(multiple) : kNothing;
    --multiple.places;
  }
  const Wide digits = Wide{multiple.remainder} * 10 + (byte - u8{'0'});
  multiple.remainder = static_cast<u64>(digits % multiple.modulus);
  return multiple_of(multiple);
}

}  // namespace fathom::grammar
