#pragma once
// Products of pairs of 16-bit numbers and of bytes (VPMADDWD, VPMADDUBSW), 8 lanes of 32 bits.
#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/isa/vec.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

struct Pairs {
  __m256i v;

  static Pairs set1(int32_t lane) { return {_mm256_set1_epi32(lane)}; }
  static Pairs load(const uint8_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  /// The four bytes at p in every lane.
  static Pairs broadcast(const uint8_t* p) {
    int32_t lane;
    __builtin_memcpy(&lane, p, sizeof lane);
    return {_mm256_set1_epi32(lane)};
  }
};
/// The two products of 16-bit numbers of each lane, added in 32 bits.
inline Pairs multiply_words(Pairs a, Pairs b) { return {_mm256_madd_epi16(a.v, b.v)}; }
/// Products of bytes, neighbours added in 16 bits, which must hold them.
inline Pairs multiply_bytes(Pairs without_sign, Pairs with_sign) {
  return {_mm256_maddubs_epi16(without_sign.v, with_sign.v)};
}
inline Pairs add_words(Pairs a, Pairs b) { return {_mm256_add_epi16(a.v, b.v)}; }
inline Pairs operator+(Pairs a, Pairs b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline Vec to_f32(Pairs a) { return {_mm256_cvtepi32_ps(a.v)}; }

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
