#pragma once
// BF16 dot products (VDPBF16PS) and E4M3 to BF16 by byte permutes (VBMI), for
// kernels/cpu/linear/linear.inl. VDPBF16PS takes BF16 subnormals as zero and flushes subnormal
// sums. E4M3 subnormals are normal in BF16, so FP8 weights lose nothing.
#include "kernels/cpu/isa/vec.h"

#if FATHOM_HAS_DOTS
#include <immintrin.h>

#include <cstdint>

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// load_scaled() yields E4M3 times this: so that the exponent's offset is an OR.
inline constexpr float kE4m3Bf16Scale = 0x1p-8f;

/// Upper or lower byte of the BF16 form of the 128 magnitudes of E4M3, in two registers.
struct ByteTable {
  alignas(64) uint8_t bytes[128];
};

constexpr ByteTable e4m3_to_bf16_bytes(bool upper) {
  ByteTable table{};
  for (int code = 0; code < 128; ++code) {
    int bits = (code << 4) + (120 << 7);  // normal: exponent + 120, three mantissa bits to seven
    if (code == 0x7f) bits = 0x7fc0;      // NaN
    if (code == 0) bits = 0;
    if (code > 0 && code < 8) {  // subnormal: code * 2^-9
      int exponent = 2;
      while ((code >> exponent) == 0) --exponent;
      const int mantissa = (code << (7 - exponent)) & 0x7f;
      bits = ((127 - 9 + exponent) << 7) | mantissa;
    }
    table.bytes[code] = static_cast<uint8_t>(upper ? bits >> 8 : bits & 0xff);
  }
  return table;
}

inline constexpr ByteTable kE4m3Lower = e4m3_to_bf16_bytes(false);
inline constexpr ByteTable kE4m3Upper = e4m3_to_bf16_bytes(true);

/// Indices that take each of 64 bytes twice.
constexpr ByteTable every_byte_twice() {
  ByteTable table{};
  for (int i = 0; i < 128; ++i) table.bytes[i] = static_cast<uint8_t>(i / 2);
  return table;
}

inline constexpr ByteTable kTwice = every_byte_twice();

/// Numbers of packed panels (gemm_micro.inl) in BF16: a step of K is a pair, [16][2] in a panel.
struct PanelBf16 {
  using Number = uint16_t;
  using Operand = __m512i;
  static constexpr int kDepth = 2;

  static Operand load(const uint16_t* p) { return _mm512_loadu_si512(p); }
  static Operand broadcast(const uint16_t* p) {
    int32_t pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  static Vec accumulate(Vec acc, Operand a, Operand b) {
    return {_mm512_dpbf16_ps(acc.v, (__m512bh)a, (__m512bh)b)};
  }
  /// 16 numbers of each of two neighbours along K, rounded to nearest even and interleaved.
  static void store_step(Vec first, Vec second, uint16_t* p) {
    const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(second.v, first.v);
    alignas(64) static constexpr uint16_t kInterleave[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    _mm512_storeu_si512(p, _mm512_permutexvar_epi16(_mm512_load_si512(kInterleave), halves));
  }
  /// 32 numbers along K of one row, as 16 pairs.
  static Vec pairs(Vec first, Vec second) {
    return {(__m512)_mm512_cvtne2ps_pbh(second.v, first.v)};
  }
};

struct DotBf16 {
  static constexpr bool kAvailable = true;
  using Panel = PanelBf16;
  using X = uint16_t;
  struct Operand {
    __m512i first, second;  // elements 0..31 and 32..63
  };
  static constexpr int kStep = 64;

  static Operand load(const uint16_t* p) {
    return {_mm512_loadu_si512(p), _mm512_loadu_si512(p + 32)};
  }
  static Operand load(const uint8_t* p) {
    // Quadwords 0 4 1 5 2 6 3 7, because the unpacks below work within 128-bit lanes.
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    const __m512i codes = _mm512_permutexvar_epi64(order, _mm512_loadu_si512(p));
    const __m512i lower = look_up(kE4m3Lower, codes);
    const __m512i magnitude = look_up(kE4m3Upper, codes);
    const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
    // magnitude | (codes & sign)
    const __m512i upper = _mm512_ternarylogic_epi64(magnitude, codes, sign, 0xf8);
    return {_mm512_unpacklo_epi8(lower, upper), _mm512_unpackhi_epi8(lower, upper)};
  }
  static Operand load_scaled(const uint16_t* p) { return load(p); }
  static Operand load_scaled(const uint8_t* p);
  static Operand look_up_scaled(const uint8_t* p) {
    const Operand v = load(p);
    return {scaled(v.first), scaled(v.second)};
  }
  static void store(Operand v, uint16_t* p) {
    _mm512_storeu_si512(p, v.first);
    _mm512_storeu_si512(p + 32, v.second);
  }
  static Vec accumulate(Vec acc, Operand w, Operand x) {
    const __m512 half = _mm512_dpbf16_ps(acc.v, (__m512bh)w.first, (__m512bh)x.first);
    return {_mm512_dpbf16_ps(half, (__m512bh)w.second, (__m512bh)x.second)};
  }

 private:
  /// Zero and NaN keep their bits.
  static __m512i scaled(__m512i bf16) {
    const __m512i magnitude = _mm512_and_si512(bf16, _mm512_set1_epi16(0x7fff));
    const __mmask32 finite = _mm512_test_epi16_mask(magnitude, magnitude) &
                             _mm512_cmplt_epi16_mask(magnitude, _mm512_set1_epi16(0x7f80));
    return _mm512_mask_sub_epi16(bf16, finite, bf16, _mm512_set1_epi16(8 << 7));
  }
  static __m512i look_up(const ByteTable& table, __m512i codes) {
    return _mm512_permutex2var_epi8(_mm512_load_si512(table.bytes), codes,  // bit 7 is ignored
                                    _mm512_load_si512(table.bytes + 64));
  }
};

/// E4M3 times kE4m3Bf16Scale as BF16 by shifting the code's bits: three instructions for 32
/// numbers, wrong for subnormals, zeros and NaN, which DotBf16::look_up_scaled() decodes. Lives in
/// registers.
class E4m3Shifter {
 public:
  [[gnu::always_inline]] DotBf16::Operand shift(const uint8_t* p) {
    const __m512i codes = _mm512_loadu_si512(p);
    // 0x7f and 0 to 14 without the sign: NaN, what has no exponent, and a few more.
    unshiftable_ |= _mm512_testn_epi8_mask(_mm512_add_epi8(codes, one_), exponent_);
    return {shifted(_mm512_permutexvar_epi8(lower_, codes)),
            shifted(_mm512_permutexvar_epi8(upper_, codes))};
  }
  /// Was every shift since the last call right?
  bool was_right() {
    const __mmask64 unshiftable = unshiftable_;
    unshiftable_ = 0;
    return unshiftable == 0;
  }

 private:
  /// From words whose upper byte is a code: s eeee mmm to s 0111 eeee mmm 0000, of BF16 with an
  /// exponent of 112 + e. The sign fills the bits above; masked, they are the offset's.
  __m512i shifted(__m512i words) const {
    return _mm512_ternarylogic_epi32(_mm512_srai_epi16(words, 4), code_bits_, offset_, 0xea);
  }
  /// Without this GCC loads a constant anew after each store.
  static __m512i held(__m512i constant) {
    __asm__("" : "+v"(constant));
    return constant;
  }

  __mmask64 unshiftable_ = 0;
  __m512i one_ = held(_mm512_set1_epi8(1)), exponent_ = held(_mm512_set1_epi8(0x70));
  __m512i lower_ = held(_mm512_load_si512(kTwice.bytes));
  __m512i upper_ = held(_mm512_load_si512(kTwice.bytes + 64));
  __m512i code_bits_ = held(_mm512_set1_epi16(static_cast<int16_t>(0x87f0)));
  __m512i offset_ = held(_mm512_set1_epi16(0x3800));
};

inline DotBf16::Operand DotBf16::load_scaled(const uint8_t* p) {
  E4m3Shifter shifter;
  const Operand v = shifter.shift(p);
  return shifter.was_right() ? v : look_up_scaled(p);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA

#else  // numbers are widened and multiplied as f32

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

struct DotBf16 {
  static constexpr bool kAvailable = false;
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
#endif
