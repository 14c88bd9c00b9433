#include "ops/quantize/quantization_error.h"

#include <gmock/gmock.h>

#include <array>
#include <bit>
#include <cmath>
#include <string>

#include "backend/backend.h"
#include "base/check.h"
#include "base/checked_math.h"
#include "kernels/ref/quantization_error.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/special_values.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using kernels::GroupValues;
using testing::for_each_isa;
using testing::kInf;
using testing::kNan;
using testing::normal;
using testing::ScopedThreads;
using testing::Tensor;

constexpr std::array kFormats = {NumberFormat::kE4m3, NumberFormat::kE5m2, NumberFormat::kE5m6,
                                 NumberFormat::kBf16};
constexpr std::array kScalings = {GemmScaling::kTile, GemmScaling::kBlock, GemmScaling::kRow,
                                  GemmScaling::kTensor};

std::array<u64, 6> bits(const QuantizationErrorSums& sums) {
  return std::bit_cast<std::array<u64, 6>>(sums);
}

/// A range that makes the scale 1.
QuantizationErrorSums errors_unscaled(Ctx& ctx, NumberFormat format, const Tensor<float>& x) {
  Tensor<float> amax({1, 1});
  amax[0] = format == NumberFormat::kBf16 ? 0.0f : largest_number(format);
  const ChunkScheme scheme{.format = format, .scaling = GemmScaling::kTensor, .amax = amax.cv<2>()};
  QuantizationErrorSums sums{};
  quantization_errors(ctx, x.cv<2>(), {&scheme, 1}, {&sums, 1});
  return sums;
}

Tensor<float> row_of(std::vector<float> values) {
  Tensor<float> x({1, std::ssize(values)});
  std::ranges::copy(values, x.data());
  return x;
}

// By hand: E4M3 has steps of 2 from 16, of 32 from 256, of 2^-9 below 2^-6.
TEST(QuantizationError, E4m3ByHand) {
  for_each_isa([](Ctx& ctx) {
    const auto sums = errors_unscaled(
        ctx, NumberFormat::kE4m3,
        row_of({448.0f,      // itself
                -500.0f,     // -448: saturates, error 52
                464.0f,      // a tie of 448 and 480, goes to the even 448: no saturation, error 16
                17.0f,       // a tie of 16 and 18, goes to 16: error 1
                -19.0f,      // a tie of 18 and 20, goes to -20: error 1
                0x1p-9f,     // the least number, subnormal
                0x1p-10f,    // a tie of 0 and 2^-9, goes to 0: all of it lost
                0x1.8p-10f,  // 2^-9: subnormal, error 2^-11
                0.0f, -0.0f, kNan, -kInf, 0x1p31f}));  // not measured
    EXPECT_EQ(sums.saturated, 1);
    EXPECT_EQ(sums.underflowed, 1);
    EXPECT_EQ(sums.subnormal, 2);
    EXPECT_NEAR(sums.abs_error, 52.0 + 16.0 + 1.0 + 1.0 + 0x1p-10 + 0x1p-11, 1e-5);
    EXPECT_NEAR(sums.squared_error, 52.0 * 52.0 + 256.0 + 2.0, 1e-4);
    EXPECT_NEAR(sums.relative_error,
                52.0 / 500.0 + 16.0 / 464.0 + 1.0 / 17.0 + 1.0 / 19.0 + 1.0 + 1.0 / 3.0, 1e-6);
  });
}

TEST(QuantizationError, OtherFormatsByHand) {
  for_each_isa([](Ctx& ctx) {
    // E5M2: 57344 and, beyond its range, 65536; their tie goes to the even 65536. Least 2^-16.
    auto sums = errors_unscaled(ctx, NumberFormat::kE5m2,
                                row_of({61440.0f, 61439.0f, 0x1p-16f, -0x1p-17f, 0x1.4p-14f}));
    EXPECT_EQ(sums.saturated, 1);
    EXPECT_EQ(sums.underflowed, 1);
    EXPECT_EQ(sums.subnormal, 1);
    EXPECT_NEAR(sums.abs_error, 4096.0 + 4095.0 + 0x1p-17, 1e-3);
    // E5M6: 129024, and 130048 beyond it; the tie 129536 goes to the even 129024. Least 2^-20.
    sums = errors_unscaled(ctx, NumberFormat::kE5m6,
                           row_of({129536.0f, 130000.0f, 0x1p-20f, 0x1p-21f, 0x1.04p0f}));
    EXPECT_EQ(sums.saturated, 1);
    EXPECT_EQ(sums.underflowed, 1);
    EXPECT_EQ(sums.subnormal, 1);
    EXPECT_NEAR(sums.abs_error, 512.0 + 976.0 + 0x1p-21, 1e-4);
    // BF16 has no scale: 1 + 2^-8 is a tie that goes to 1; 3 + 2^-6 is itself.
    sums = errors_unscaled(ctx, NumberFormat::kBf16, row_of({0x1.01p0f, 3.015625f, 1e-30f}));
    EXPECT_EQ(sums.saturated + sums.underflowed + sums.subnormal, 0);
    EXPECT_NEAR(sums.abs_error, 0x1p-8, 1e-9);
  });
}

// One number at a time: each code of each format, the tie above it and that tie's neighbours.
TEST(QuantizationError, EveryTieOfEveryFormat) {
  for_each_isa([](Ctx& ctx) {
    for (const NumberFormat format : kFormats) {
      const int last = format == NumberFormat::kE5m6 ? 0x7ff : 0x7f;
      for (int code = 0; code < last; ++code) {
        const auto value = [&](int c) {
          if (format == NumberFormat::kE4m3) return float(Fp8E4M3::from_bits(static_cast<u8>(c)));
          if (format == NumberFormat::kE5m2) return float(Fp8E5M2::from_bits(static_cast<u8>(c)));
          if (format == NumberFormat::kE5m6) return float(E5M6::from_bits(static_cast<u16>(c)));
          return float(Bf16::from_bits(static_cast<u16>(0x3f80 + c)));  // 1 and up
        };
        const float low = value(code), high = value(code + 1);
        const float tie = 0.5f * (low + high);
        if (!std::isfinite(tie)) continue;
        for (const float x : {low, tie, std::nextafter(tie, 0.0f), std::nextafter(tie, 1e9f)}) {
          const auto got = errors_unscaled(ctx, format, row_of({-x}));
          const float rounded = ref::round_to_format(format, x);
          ASSERT_EQ(got.abs_error, std::abs(x - rounded)) << x << " in format " << int(format);
          ASSERT_EQ(got.saturated, ref::saturates(format, x) ? 1 : 0) << x;
          ASSERT_EQ(got.underflowed, x != 0 && rounded == 0 ? 1 : 0) << x;
          ASSERT_EQ(got.subnormal, rounded != 0 && rounded < ref::least_normal(format)) << x;
        }
      }
    }
  });
}

/// Normal numbers with a heavy tail, tiny ones, zeros, and what is not measured.
Tensor<float> awkward(i64 rows, i64 cols, double magnitude) {
  auto x = normal<float>({rows, cols}, magnitude);
  for (i64 i = 0; i < x.size(); i += 7) x[i] *= 1e-4f;
  for (i64 i = 3; i < x.size(); i += 61) x[i] *= 300.0f;
  for (i64 i = 5; i < x.size(); i += 11) x[i] = i % 2 == 0 ? 0.0f : -0.0f;
  for (i64 i = 8; i < x.size(); i += 97) x[i] = i % 3 == 0 ? kNan : i % 3 == 1 ? kInf : -0x1p40f;
  for (i64 i = 9; i < x.size(); i += 89) x[i] = 1e-41f;
  return x;
}

Tensor<float> ranges_of(Ctx& ctx, const Tensor<float>& x, GemmScaling scaling) {
  Tensor<float> tiles({x.dim(0), ceil_div(x.dim(1), kFp8Block)});
  MagnitudeSums sums{};
  tile_ranges(ctx, x.cv<2>(), tiles.v<2>(), sums);
  const i64 rows = scaling == GemmScaling::kTensor  ? 1
                   : scaling == GemmScaling::kBlock ? ceil_div(x.dim(0), kFp8Block)
                                                    : x.dim(0);
  const bool per_tile = scaling == GemmScaling::kTile || scaling == GemmScaling::kBlock;
  Tensor<float> groups({rows, per_tile ? tiles.dim(1) : 1});
  group_ranges(tiles.cv<2>(), scaling, groups.v<2>());
  return groups;
}

/// The reference's view of one value a group, by the words of the header.
GroupValues groups(const Tensor<float>& values, GemmScaling scaling) {
  const bool per_tile = scaling == GemmScaling::kTile || scaling == GemmScaling::kBlock;
  return {.value = values.data(),
          .rows_per_value = scaling == GemmScaling::kBlock ? kFp8Block : 1,
          .row_stride = scaling == GemmScaling::kTensor ? 0 : values.dim(1),
          .tile_stride = per_tile ? 1 : 0};
}

void expect_near_reference(const QuantizationErrorSums& got, const QuantizationErrorSums& want,
                           const MagnitudeSums& x) {
  // x / s in f32 moves an error by up to |x| eps / 2, the sums lose kQuantizationErrorRelTol.
  constexpr double kTol = kQuantizationErrorRelTol, kEps = 1.2e-7;
  EXPECT_NEAR(got.abs_error, want.abs_error, kTol * want.abs_error + kEps * x.abs_value);
  EXPECT_NEAR(got.relative_error, want.relative_error,
              kTol * want.relative_error + kEps * static_cast<double>(x.numbers));
  EXPECT_NEAR(got.squared_error, want.squared_error,
              kTol * want.squared_error + kEps * std::sqrt(want.squared_error * x.squared_value) +
                  kEps * kEps * x.squared_value);
  EXPECT_EQ(got.saturated, want.saturated);
  EXPECT_EQ(got.underflowed, want.underflowed);
  EXPECT_EQ(got.subnormal, want.subnormal);
}

TEST(QuantizationError, EveryIsaEqualsTheReference) {
  for_each_isa([](Ctx& ctx) {
    for (const auto& [rows, cols] : {std::pair<i64, i64>{1, 1},
                                     {2, 3},
                                     {1, 15},
                                     {1, 16},
                                     {1, 17},
                                     {128, 128},
                                     {129, 127},
                                     {3, 576},
                                     {300, 161}}) {
      for (const double magnitude : {1e-6, 0.02, 1e5}) {
        const auto x = awkward(rows, cols, magnitude);
        MagnitudeSums sums{};
        ref::magnitudes(x.cv<2>(), sums);
        for (const GemmScaling scaling : kScalings) {
          const auto amax = ranges_of(ctx, x, scaling);
          for (const NumberFormat format : kFormats) {
            for (const bool power_of_2 : {false, true}) {
              SCOPED_TRACE("[" + std::to_string(rows) + ", " + std::to_string(cols) + "] x " +
                           std::to_string(magnitude) + ", scaling " + std::to_string(int(scaling)) +
                           ", format " + std::to_string(int(format)));
              const ChunkScheme scheme{format, scaling, power_of_2, amax.cv<2>()};
              QuantizationErrorSums got{}, want{};
              quantization_errors(ctx, x.cv<2>(), {&scheme, 1}, {&got, 1});
              Tensor<float> scale(amax.dims());
              for (i64 i = 0; i < scale.size(); ++i) {
                float s = std::max(amax[i], 1e-4f) / largest_number(format);
                scale[i] = power_of_2 ? std::exp2(std::ceil(std::log2(s))) : s;
              }
              ref::quantization_error(x.cv<2>(), {format, groups(scale, scaling)}, want);
              expect_near_reference(got, want, sums);
            }
          }
        }
      }
    }
  });
}

TEST(QuantizationError, NoThreadNoChunkNoOtherSchemeChangesABit) {
  for_each_isa([](Ctx& ctx) {
    const auto x = awkward(700, 300, 0.02);
    const auto tiles = ranges_of(ctx, x, GemmScaling::kTile);
    const auto blocks = ranges_of(ctx, x, GemmScaling::kBlock);
    const auto run = [&](i64 begin, i64 count, bool alone, QuantizationErrorSums& sums) {
      const std::array<ChunkScheme, 2> schemes = {
          ChunkScheme{NumberFormat::kE5m2, GemmScaling::kTile, false,
                      tiles.cv<2>().slice(0, begin, count)},
          ChunkScheme{NumberFormat::kE4m3, GemmScaling::kBlock, true,
                      blocks.cv<2>().slice(0, begin / 128, ceil_div(count, i64{128}))}};
      std::array<QuantizationErrorSums, 2> both = {QuantizationErrorSums{}, sums};
      const size_t first = alone ? 1 : 0;
      quantization_errors(ctx, x.cv<2>().slice(0, begin, count), std::span(schemes).subspan(first),
                          std::span(both).subspan(first));
      sums = both[1];
    };
    QuantizationErrorSums want{};
    run(0, 700, true, want);
    for (const int threads : {1, 2, 7}) {
      const ScopedThreads scoped(threads);
      QuantizationErrorSums whole{}, chunks{};
      run(0, 700, false, whole);
      run(0, 256, true, chunks);
      run(256, 444, true, chunks);
      EXPECT_EQ(bits(whole), bits(want)) << threads << " threads";
      EXPECT_EQ(bits(chunks), bits(want)) << threads << " threads";
    }
  });
}

TEST(TileRanges, EveryIsaEqualsTheReference) {
  for_each_isa([](Ctx& ctx) {
    for (const auto& [rows, cols] :
         {std::pair<i64, i64>{1, 1}, {1, 17}, {130, 129}, {257, 300}, {3, 1031}}) {
      for (const double magnitude : {1e-30, 0.02, 1e5}) {
        const auto x = awkward(rows, cols, magnitude);
        Tensor<float> amax({rows, ceil_div(cols, kFp8Block)});
        MagnitudeSums got{}, want{};
        tile_ranges(ctx, x.cv<2>(), amax.v<2>(), got);
        ref::magnitudes(x.cv<2>(), want);
        EXPECT_EQ(got.numbers, want.numbers);
        EXPECT_EQ(got.zeros, want.zeros);
        EXPECT_EQ(got.not_measured, want.not_measured);
        EXPECT_NEAR(got.abs_value, want.abs_value, kQuantizationErrorRelTol * want.abs_value);
        EXPECT_NEAR(got.squared_value, want.squared_value,
                    kQuantizationErrorRelTol * want.squared_value);
        for (i64 row = 0; row < rows; ++row) {
          for (i64 tile = 0; tile < amax.dim(1); ++tile) {
            float largest = 0.0f;
            for (i64 col = 128 * tile; col < std::min(cols, 128 * tile + 128); ++col) {
              const float magnitude_of = std::abs(x[row * cols + col]);
              if (magnitude_of <= kLargestMeasured) largest = std::max(largest, magnitude_of);
            }
            ASSERT_EQ(amax[row * amax.dim(1) + tile], largest) << row << ", tile " << tile;
          }
        }
      }
    }
  });
}

TEST(GroupRanges, TakeTheLargestTileOfEachGroup) {
  Ctx ctx = backend::make_context();
  Tensor<float> x({130, 129});
  x[0] = 1.0f;              // row 0, tile 0, block (0, 0)
  x[128] = -5.0f;           // row 0, tile 1, block (0, 1)
  x[129 * 129 + 3] = 7.0f;  // row 129, tile 0, block (1, 0)
  const auto block = ranges_of(ctx, x, GemmScaling::kBlock);
  EXPECT_THAT(std::vector(block.data(), block.data() + 4), ::testing::ElementsAre(1, 5, 7, 0));
  const auto row = ranges_of(ctx, x, GemmScaling::kRow);
  EXPECT_EQ(row[0], 5.0f);
  EXPECT_EQ(row[1], 0.0f);
  EXPECT_EQ(row[129], 7.0f);
  EXPECT_EQ(ranges_of(ctx, x, GemmScaling::kTensor)[0], 7.0f);
  EXPECT_EQ(ranges_of(ctx, x, GemmScaling::kTile)[1], 5.0f);
}

TEST(OctaveCounts, EveryIsaEqualsTheReference) {
  for_each_isa([](Ctx& ctx) {
    const auto by_hand = row_of({8.0f, 6.0f, -4.0f, 3.0f, 1.0f, 0.0f, 0x1p-100f, kNan});
    std::vector<i64> counts(kOctaves);
    octave_counts(ctx, by_hand.cv<2>(), GemmScaling::kTensor,
                  ranges_of(ctx, by_hand, GemmScaling::kTensor).cv<2>(), counts);
    EXPECT_EQ(counts[0], 3);  // 8, 6, 4: from half the largest on
    EXPECT_EQ(counts[1], 1);  // 3
    EXPECT_EQ(counts[2], 1);  // 1
    EXPECT_EQ(counts[kOctaves - 1], 1);

    const auto x = awkward(257, 300, 0.02);
    for (const GemmScaling scaling : kScalings) {
      const auto amax = ranges_of(ctx, x, scaling);
      std::vector<i64> got(kOctaves), want(kOctaves);
      octave_counts(ctx, x.cv<2>(), scaling, amax.cv<2>(), got);
      ref::octave_counts(x.cv<2>(), groups(amax, scaling), want.data());
      EXPECT_EQ(got, want) << "scaling " << int(scaling);
    }
  });
}

TEST(MagnitudeQuantile, IsTheLeastBf16NumberThatCoversTheShare) {
  for_each_isa([](Ctx& ctx) {
    for (const int threads : {1, 2, 7}) {
      const ScopedThreads scoped(threads);
      Tensor<float> x({10, 10});
      for (i64 i = 0; i < 100; ++i) x[i] = static_cast<float>(i % 2 == 0 ? i + 1 : -i - 1);
      std::vector<i64> bins(kMagnitudeBins);
      count_magnitudes(ctx, x.cv<2>(), bins);
      EXPECT_EQ(magnitude_quantile(bins, 1.0), 100.0f);
      EXPECT_EQ(magnitude_quantile(bins, 0.99), 99.0f);
      EXPECT_EQ(magnitude_quantile(bins, 0.5), 50.0f);
      EXPECT_EQ(magnitude_quantile(bins, 1e-9), 1.0f);
    }
    const auto above = row_of({0x1.000002p0f, kNan, kInf});  // between 1 and the next BF16 number
    std::vector<i64> bins(kMagnitudeBins);
    EXPECT_EQ(magnitude_quantile(bins, 0.5), 0.0f);
    count_magnitudes(ctx, above.cv<2>(), bins);
    EXPECT_EQ(magnitude_quantile(bins, 0.5), 0x1.02p0f);
  });
}

TEST(QuantizationError, MisuseNamesTheShapes) {
  Ctx ctx = backend::make_context();
  Tensor<float> x({130, 300}), amax({130, 2});
  const ChunkScheme scheme{NumberFormat::kE4m3, GemmScaling::kTile, false, amax.cv<2>()};
  QuantizationErrorSums sums{};
  try {
    quantization_errors(ctx, x.cv<2>(), {&scheme, 1}, {&sums, 1});
    FAIL() << "two ranges a row for three tiles were taken";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("[130, 2]"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("[130, 3]"));
  }
  EXPECT_THROW(quantization_errors(ctx, x.cv<2>(), {&scheme, 1}, {}), InternalError);
}

}  // namespace
}  // namespace fathom::ops
