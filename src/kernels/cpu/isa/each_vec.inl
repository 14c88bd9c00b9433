#pragma once
// Loops over whole vectors with one ragged vector at the end.
#include "kernels/cpu/isa/vec.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// The number of elements of a whole vector as a constant: load_n and store_n lose their branch.
struct Whole {
  constexpr operator int64_t() const { return Vec::kLanes; }
};

/// fn(i, n) for vectors at i = 0, kLanes, ...; n is Whole, or for the last what is left. fn is a
/// generic lambda, compiled once for each.
template <typename Fn>
inline void each_vec(int64_t count, Fn fn) {
  int64_t i = 0;
  for (; i + Vec::kLanes <= count; i += Vec::kLanes) fn(i, Whole{});
  if (i < count) fn(i, count - i);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
