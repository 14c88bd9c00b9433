#pragma once
// Pairs, a register of 16-bit numbers that are multiplied in pairs, and of bytes in fours: VPMADDWD
// and VPMADDUBSW, one lane of 32 bits each.
#include <immintrin.h>

#include "kernels/cpu/isa/vec.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

struct Pairs {
#if FATHOM_VECTOR_BITS == 512
  using Register = __m512i;
#else
  using Register = __m256i;
#endif
  Register v;

  static Pairs set1(int32_t lane) { return {(Register)(Words{} + lane)}; }
  static Pairs load(const uint8_t* p) {
    Pairs pairs;
    __builtin_memcpy(&pairs.v, p, sizeof pairs.v);
    return pairs;
  }
  /// The four bytes at p in every lane.
  static Pairs broadcast(const uint8_t* p) {
    int32_t lane;
    __builtin_memcpy(&lane, p, sizeof lane);
    return set1(lane);
  }
};
/// The two products of 16-bit numbers of each lane, added in 32 bits.
inline Pairs multiply_words(Pairs a, Pairs b) {
#if FATHOM_VECTOR_BITS == 512
  return {_mm512_madd_epi16(a.v, b.v)};
#else
  return {_mm256_madd_epi16(a.v, b.v)};
#endif
}
/// Products of bytes, neighbours added in 16 bits, which must hold them.
inline Pairs multiply_bytes(Pairs without_sign, Pairs with_sign) {
#if FATHOM_VECTOR_BITS == 512
  return {_mm512_maddubs_epi16(without_sign.v, with_sign.v)};
#else
  return {_mm256_maddubs_epi16(without_sign.v, with_sign.v)};
#endif
}
inline Pairs add_words(Pairs a, Pairs b) {
  using Halves = uint16_t __attribute__((vector_size(sizeof(Words))));
  return {(Pairs::Register)((Halves)a.v + (Halves)b.v)};
}
inline Pairs operator+(Pairs a, Pairs b) {
  using Lanes = uint32_t __attribute__((vector_size(sizeof(Words))));
  return {(Pairs::Register)((Lanes)a.v + (Lanes)b.v)};
}
inline Vec to_f32(Pairs a) { return {__builtin_convertvector((Words)a.v, decltype(Vec::v))}; }

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
