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

/// The least integer that `digits` digits still to come must be to make a multiple.
u64 missing(const MultipleOf& multiple, u32 digits) {
  const Wide scaled = multiple.remainder * power_of_ten(digits) % multiple.modulus;
  return scaled == 0 ? 0 : multiple.modulus - static_cast<u64>(scaled);
}

/// Do some digits make a multiple?
bool can_be_made(const MultipleOf& multiple) {
  if (multiple.next != Next::kInteger) {
    return missing(multiple, multiple.places) < power_of_ten(multiple.places);
  }
  // Of eighteen digits or more some do, whatever the remainder.
  constexpr u32 kEnough = 18;
  if (multiple.max_digits >= kEnough || multiple.max_digits + multiple.places >= kEnough)
    return true;
  for (u32 digits = multiple.min_digits; digits <= multiple.max_digits; ++digits) {
    const u32 all = digits + multiple.places;
    if (missing(multiple, all) < power_of_ten(all)) return true;
  }
  return false;
}

}  // namespace

Regex RegexArena::multiple_of(const MultipleOf& multiple) {
  FATHOM_CHECK(multiple.modulus > 0 && multiple.modulus <= power_of_ten(18) &&
               multiple.places <= kMaxPlaces && multiple.remainder < multiple.modulus &&
               multiple.min_digits <= multiple.max_digits);
  if (!can_be_made(multiple)) return kNothing;
  classes_.refine(ByteSet::of('.'));
  for (u8 digit = '0'; digit <= '9'; ++digit) classes_.refine(ByteSet::of(digit));
  u64 hash = mix_hash(mix_hash(multiple.modulus, multiple.remainder),
                      multiple.places * 3 + static_cast<u64>(multiple.next));
  hash = mix_hash(hash, u64{multiple.min_digits} << 32 | multiple.max_digits);
  const u32 next = static_cast<u32>(multiples_.size());
  const u32 at = multiple_index_.find_or_insert(
      hash, next, [&](u32 other) { return multiples_[other] == multiple; });
  if (at == next) multiples_.push_back(multiple);
  const bool may_end = multiple.next != Next::kFraction && multiple.min_digits == 0 &&
                       missing(multiple, multiple.places) == 0;
  return intern({.kind = RegexKind::kMultiple, .nullable = may_end, .extra = at}, {});
}

Regex RegexArena::derivative_of_multiple(MultipleOf multiple, u8 byte) {
  if (byte == '.' && multiple.next == Next::kInteger && multiple.min_digits == 0) {
    multiple.next = Next::kFraction;
    multiple.max_digits = 0;
    return multiple_of(multiple);
  }
  if (byte < '0' || byte > '9') return kNothing;
  if (multiple.next == Next::kInteger) {
    if (multiple.max_digits == 0) return kNothing;
    if (multiple.min_digits > 0) --multiple.min_digits;
    if (multiple.max_digits != kUnbounded) --multiple.max_digits;
  } else {
    multiple.next = Next::kFractionOrEnd;
    if (multiple.places == 0) return byte == '0' ? multiple_of(multiple) : kNothing;
    --multiple.places;
  }
  const Wide digits = Wide{multiple.remainder} * 10 + (byte - u8{'0'});
  multiple.remainder = static_cast<u64>(digits % multiple.modulus);
  return multiple_of(multiple);
}

}  // namespace fathom::grammar
