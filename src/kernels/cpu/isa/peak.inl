#pragma once
// What the arithmetic units do at most: independent multiply-adds of registers, no memory at all.
// The limit that a matrix product is measured against.
#include "kernels/cpu/isa/dot_bf16.h"
#include "kernels/cpu/isa/dot_int8.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Enough chains to hide the latency of a fused multiply-add on any core (10 are needed at most).
constexpr int kPeakChains = 12;

/// `step(acc)` on each chain, `rounds` times. The result keeps the arithmetic alive; the chains
/// begin with different numbers, or the compiler would see that one is enough.
template <typename Start, typename Step>
auto run_chains(int64_t rounds, Start start, Step step) {
  decltype(start(0)) acc[kPeakChains];
#pragma GCC unroll 16
  for (int c = 0; c < kPeakChains; ++c) acc[c] = start(c);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < kPeakChains; ++c) acc[c] = step(acc[c]);
  }
  auto sum = acc[0];
#pragma GCC unroll 16
  for (int c = 1; c < kPeakChains; ++c) sum = sum + acc[c];
  return sum;
}

inline Vec start_of_chain(int chain) { return Vec::set1(static_cast<float>(chain)); }

float peak_f32(int64_t rounds) {
  const Vec half = Vec::set1(0.5f), one = Vec::set1(1.0f);
  return reduce_add(
      run_chains(rounds, start_of_chain, [=](Vec acc) { return fma(acc, half, one); }));
}

template <class Bf16>
float run_peak_bf16(int64_t rounds) {
  uint16_t ones[Bf16::kStep];
  for (uint16_t& one : ones) one = 0x3f80;
  const typename Bf16::Operand w = Bf16::load(ones);
  return reduce_add(
      run_chains(rounds, start_of_chain, [=](Vec acc) { return Bf16::accumulate(acc, w, w); }));
}

template <class Int8>
float run_peak_int8(int64_t rounds) {
  const typename Int8::Codes ones = Int8::set1(1);
  return reduce_add(to_f32(run_chains(
      rounds, [](int chain) { return Int8::set_acc(chain); },
      [=](typename Int8::Acc acc) { return Int8::dot(acc, ones, ones); })));
}

constexpr PeakKernel kPeakF32 = {peak_f32, 2 * Vec::kLanes* kPeakChains};

template <class Bf16>
constexpr PeakKernel peak_bf16_of() {
  if constexpr (Bf16::kAvailable) {
    return {run_peak_bf16<Bf16>, 2 * Bf16::kStep * kPeakChains};
  } else {
    return {nullptr, 0};
  }
}

template <class Int8>
constexpr PeakKernel peak_int8_of() {
  if constexpr (Int8::kAvailable) {
    return {run_peak_int8<Int8>, 2 * Int8::kCodes * kPeakChains};
  } else {
    return {nullptr, 0};
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
