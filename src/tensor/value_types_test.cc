// The value types against their definitions, exhaustively where a byte allows it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/rng.h"
#include "tensor/bf16.h"
#include "tensor/e5m6.h"
#include "tensor/fp8.h"

namespace fathom {
namespace {

// Decodes S.E.M by the textbook formula in double.
double decode(u8 bits, int exponent_bits, int mantissa_bits, int bias) {
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const double fraction = static_cast<double>(mantissa) / (1 << mantissa_bits);
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1.0 + fraction, exponent - bias);
  return (bits & 0x80) != 0 ? -magnitude : magnitude;
}

TEST(Fp8E4M3, DecodesEveryCodeByTheFormula) {
  for (int code = 0; code < 256; ++code) {
    const auto value = static_cast<float>(Fp8E4M3::from_bits(static_cast<u8>(code)));
    if ((code & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(value)) << code;
    } else {
      EXPECT_EQ(value, decode(static_cast<u8>(code), 4, 3, 7)) << code;
      EXPECT_EQ(Fp8E4M3(value).bits, code) << "round trip of " << value;
    }
  }
}

TEST(Fp8E5M2, DecodesEveryFiniteCodeByTheFormula) {
  for (int code = 0; code < 256; ++code) {
    if ((code & 0x7c) == 0x7c) continue;  // infinities and NaNs
    const auto value = static_cast<float>(Fp8E5M2::from_bits(static_cast<u8>(code)));
    EXPECT_EQ(value, decode(static_cast<u8>(code), 5, 2, 15)) << code;
    EXPECT_EQ(Fp8E5M2(value).bits, code) << "round trip of " << value;
  }
}

// Nearest code by exhaustive search; ties go to the even code.
template <typename Fp8>
u8 nearest_code(float value, int last_code) {
  int best = 0;
  double best_distance = std::numeric_limits<double>::infinity();
  for (int code = 0; code <= last_code; ++code) {
    const auto candidate = static_cast<float>(Fp8::from_bits(static_cast<u8>(code)));
    const double distance = std::abs(static_cast<double>(candidate) - std::abs(value));
    if (distance < best_distance || (distance == best_distance && code % 2 == 0)) {
      best = code;
      best_distance = distance;
    }
  }
  return static_cast<u8>(best | (std::signbit(value) ? 0x80 : 0));
}

TEST(Fp8, RoundsToTheNearestCodeTiesToEven) {
  const Philox rng(7, 0);
  for (u64 i = 0; i < 20000; ++i) {
    const double exponent = rng.uniform(2 * i) * 30.0 - 14.0;
    const auto value =
        static_cast<float>(std::exp2(exponent) * (rng.uniform(2 * i + 1) < 0.5 ? -1.0 : 1.0));
    ASSERT_EQ(Fp8E4M3(value).bits, nearest_code<Fp8E4M3>(value, 0x7e)) << value;
    ASSERT_EQ(Fp8E5M2(value).bits, nearest_code<Fp8E5M2>(value, 0x7b)) << value;
  }
  for (int code = 0; code < 0x7e; ++code) {  // exact ties between neighbours
    const float low = static_cast<float>(Fp8E4M3::from_bits(static_cast<u8>(code)));
    const float high = static_cast<float>(Fp8E4M3::from_bits(static_cast<u8>(code + 1)));
    const float middle = (low + high) / 2;
    ASSERT_EQ(Fp8E4M3(middle).bits, nearest_code<Fp8E4M3>(middle, 0x7e)) << middle;
  }
}

TEST(Fp8E4M3, SaturatesAndKeepsNan) {
  EXPECT_EQ(static_cast<float>(Fp8E4M3(1e30f)), kE4m3Max);
  EXPECT_EQ(static_cast<float>(Fp8E4M3(-std::numeric_limits<float>::infinity())), -kE4m3Max);
  EXPECT_TRUE(std::isnan(static_cast<float>(Fp8E4M3(std::nanf("")))));
}

TEST(E5M6, DecodesByTheFormulaAndRoundsToTheNearestCode) {
  for (int code = 0; code < 0x800; ++code) {
    const auto value = static_cast<float>(E5M6::from_bits(static_cast<u16>(code)));
    if (code == 0x7ff) {
      EXPECT_TRUE(std::isnan(value));
      continue;
    }
    const int exponent = code >> 6;
    const double fraction = (code & 0x3f) / 64.0;
    EXPECT_EQ(value, exponent == 0 ? std::ldexp(fraction, -14)
                                   : std::ldexp(1.0 + fraction, exponent - 15));
    EXPECT_EQ(E5M6(value).bits, code);
    EXPECT_EQ(E5M6(-value).bits, code | 0x800);
    const auto next = static_cast<float>(E5M6::from_bits(static_cast<u16>(code + 1)));
    if (code + 1 == 0x7ff) continue;
    const float tie = (value + next) / 2;
    EXPECT_EQ(E5M6(tie).bits, code % 2 == 0 ? code : code + 1);
    EXPECT_EQ(E5M6(std::nextafter(tie, 0.0f)).bits, code);
    EXPECT_EQ(E5M6(std::nextafter(tie, 1e9f)).bits, code + 1);
  }
  EXPECT_EQ(static_cast<float>(E5M6(1e30f)), kE5m6Max);
  EXPECT_EQ(static_cast<float>(E5M6(-std::numeric_limits<float>::infinity())), -kE5m6Max);
  EXPECT_TRUE(std::isnan(static_cast<float>(E5M6(std::nanf("")))));
}

TEST(Fp8, ReferenceVectorsOfSection13) {
  EXPECT_EQ(static_cast<float>(Fp8E4M3::from_bits(0x08)), 0x1.0p-6f);  // min normal
  EXPECT_EQ(static_cast<float>(Fp8E4M3::from_bits(0x01)), 0x1.0p-9f);  // min subnormal
  EXPECT_EQ(ceil_to_power_of_two(1.0f / 448.0f), 0.00390625f);         // UE8M0 example
  EXPECT_EQ(ceil_to_power_of_two(0.25f), 0.25f);
  EXPECT_EQ(ue8m0_to_f32(127), 1.0f);
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(Bf16(1.0f).bits, 0x3f80);
  EXPECT_EQ(Bf16(std::bit_cast<float>(0x3f808000u)).bits, 0x3f80);  // tie to even: down
  EXPECT_EQ(Bf16(std::bit_cast<float>(0x3f818000u)).bits, 0x3f82);  // tie to even: up
  EXPECT_EQ(Bf16(std::bit_cast<float>(0x3f808001u)).bits, 0x3f81);
  EXPECT_TRUE(std::isnan(static_cast<float>(Bf16(std::bit_cast<float>(0x7f800001u)))));
}

TEST(F16, DecodesNormalSubnormalAndSpecial) {
  EXPECT_EQ(f16_to_f32(0x3c00), 1.0f);
  EXPECT_EQ(f16_to_f32(0xc000), -2.0f);
  EXPECT_EQ(f16_to_f32(0x0001), 0x1.0p-24f);
  EXPECT_EQ(f16_to_f32(0x7bff), 65504.0f);
  EXPECT_TRUE(std::isinf(f16_to_f32(0x7c00)));
  EXPECT_TRUE(std::isnan(f16_to_f32(0x7e00)));
}

}  // namespace
}  // namespace fathom
