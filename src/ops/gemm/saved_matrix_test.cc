#include "tensor/saved_matrix.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "base/checked_math.h"
#include "ops/gemm/gemm.h"
#include "tensor/bf16.h"
#include "tensor/fp8.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/guarded.h"

namespace fathom::ops {
namespace {

using testing::for_each_isa;
using testing::normal;
using testing::Tensor;

constexpr SavedFormat kFormats[] = {SavedFormat::kF32, SavedFormat::kBf16, SavedFormat::kE4m3Tiles,
                                    SavedFormat::kE5m6Tiles};

/// The nearest of all E5M6 numbers, ties to even: the definition, by enumeration.
float nearest_e5m6(float x) {
  if (std::isnan(x)) return x;
  float best = 0.0f;
  bool best_is_even = true;
  double best_error = std::numeric_limits<double>::infinity();
  for (int code = 0; code < 0x7ff; ++code) {
    const int exponent = code >> 6, mantissa = code & 63;
    const double value =
        exponent == 0 ? std::ldexp(mantissa, -20) : std::ldexp(64 + mantissa, exponent - 15 - 6);
    const double error = std::abs(std::abs(static_cast<double>(x)) - value);
    if (error < best_error || (error == best_error && !best_is_even)) {
      best = static_cast<float>(value);
      best_error = error;
      best_is_even = code % 2 == 0;
    }
  }
  return std::copysign(best, x);
}

float want_of(const Tensor<float>& x, i64 i, SavedFormat format) {
  if (format == SavedFormat::kF32) return x[i];
  if (format == SavedFormat::kBf16) return static_cast<float>(Bf16(x[i]));
  const i64 cols = x.dim(1), begin = i - i % cols % 128, end = i - i % cols + cols;
  float amax = kFp8AmaxFloor;
  for (i64 j = begin; j < std::min(begin + 128, end); ++j) amax = std::fmax(amax, std::abs(x[j]));
  if (format == SavedFormat::kE4m3Tiles) {
    const float scale = amax / kE4m3Max;
    return static_cast<float>(Fp8E4M3(x[i] / scale)) * scale;
  }
  const float scale = ceil_to_power_of_two(amax / 129024.0f);
  return nearest_e5m6(x[i] / scale) * scale;
}

SavedMatrix saved_in(Workspace::Scope& scope, SavedFormat format, i64 rows, i64 cols) {
  const i64 bytes = saved_matrix_bytes(format, rows, cols);
  return saved_matrix_at(scope.alloc<u8>(bytes).data(), format, rows, cols);
}

TEST(SavedMatrix, EveryFormatRoundsAsDefined) {
  for_each_isa([](Ctx& ctx) {
    for (const auto& [rows, cols] : {std::pair<i64, i64>{1, 1},
                                     {3, 15},
                                     {2, 16},
                                     {5, 17},
                                     {3, 127},
                                     {2, 128},
                                     {3, 131},
                                     {4, 300}}) {
      for (const double magnitude : {1e-9, 0.01, 3e5}) {
        auto x = normal<float>({rows, cols}, magnitude);
        for (i64 i = 0; i < x.size(); i += 5) x[i] *= 1e-5f;  // subnormals of the small formats
        for (i64 i = 3; i < x.size(); i += 11) x[i] = i % 2 == 0 ? 0.0f : -0.0f;
        for (const SavedFormat format : kFormats) {
          Workspace::Scope scope(ctx.workspace());
          const SavedMatrix saved = saved_in(scope, format, rows, cols);
          save_matrix(ctx, x.v<2>(), saved);
          Tensor<float> out({rows, cols});
          load_matrix(ctx, saved, out.v<2>());
          for (i64 i = 0; i < x.size(); ++i) {
            ASSERT_EQ(std::bit_cast<u32>(out[i]), std::bit_cast<u32>(want_of(x, i, format)))
                << "format " << static_cast<int>(format) << ", cols " << cols << " at " << i << ": "
                << x[i] << " gave " << out[i];
          }
        }
      }
    }
  });
}

// Every E5M6 number, its neighbours' midpoints and one bit beside them.
TEST(SavedMatrix, E5m6RoundsEveryTieToEven) {
  for_each_isa([](Ctx& ctx) {
    std::vector<float> values;
    for (int code = 0; code < 0x7fe; ++code) {
      const auto value = [](int c) {
        return c < 64 ? std::ldexp(static_cast<float>(c), -20)
                      : std::ldexp(static_cast<float>(64 + c % 64), c / 64 - 21);
      };
      const float low = value(code), tie = 0.5f * (low + value(code + 1));
      for (const float v : {low, tie, std::nextafter(tie, 0.0f), std::nextafter(tie, 1e9f)}) {
        values.push_back(code % 3 == 0 ? -v : v);
      }
    }
    const i64 rows = ceil_div(std::ssize(values), 127);
    Tensor<float> x({rows, 128}), out({rows, 128});
    for (i64 r = 0; r < rows; ++r) x[r * 128] = 129024.0f;  // the scale is 1
    for (size_t i = 0; i < values.size(); ++i) {
      x[static_cast<i64>(i) / 127 * 128 + 1 + static_cast<i64>(i) % 127] = values[i];
    }
    Workspace::Scope scope(ctx.workspace());
    const SavedMatrix saved = saved_in(scope, SavedFormat::kE5m6Tiles, rows, 128);
    save_matrix(ctx, x.v<2>(), saved);
    load_matrix(ctx, saved, out.v<2>());
    for (i64 i = 0; i < x.size(); ++i) {
      ASSERT_EQ(saved.scale[i / 128], 1.0f);
      ASSERT_EQ(out[i], nearest_e5m6(x[i])) << x[i];
    }
  });
}

// The layout that the header promises: 12 bits, two numbers in three bytes.
TEST(SavedMatrix, E5m6Layout) {
  for_each_isa([](Ctx& ctx) {
    Tensor<float> x({2, 3});
    const float values[] = {129024.0f, 1.0f, -0x1p-20f, 129024.0f, 0.0f, 1.5f};
    std::copy_n(values, 6, x.data());
    EXPECT_EQ(SavedMatrix::saved_row_bytes(SavedFormat::kE5m6Tiles, 3), 5);
    Workspace::Scope scope(ctx.workspace());
    const SavedMatrix saved = saved_in(scope, SavedFormat::kE5m6Tiles, 2, 3);
    save_matrix(ctx, x.v<2>(), saved);
    const u8 want[] = {0xfe, 0x07, 0x3c, 0x01, 0x08, 0xfe, 0x07, 0x00, 0xe0, 0x03};
    for (int i = 0; i < 10; ++i) EXPECT_EQ(saved.data[i], want[i]) << i;
  });
}

TEST(SavedMatrix, RowsByIdAndNothingBeyond) {
  for_each_isa([](Ctx& ctx) {
    const auto x = normal<float>({9, 133});
    const std::vector<i32> ids = {8, 0, 8, 3};
    for (const SavedFormat format : kFormats) {
      const testing::Guarded storage(saved_matrix_bytes(format, 9, 133));
      const SavedMatrix saved = saved_matrix_at(storage.data(), format, 9, 133);
      save_matrix(ctx, x.v<2>(), saved);
      Tensor<float> all({9, 133}), chosen({4, 133});
      load_matrix(ctx, saved, all.v<2>());
      load_matrix(ctx, saved, chosen.v<2>(), ids);
      for (i64 i = 0; i < chosen.size(); ++i) {
        ASSERT_EQ(chosen[i], all[ids[static_cast<size_t>(i / 133)] * 133 + i % 133]);
      }
      // A matrix that ends with its last row's last byte.
      const testing::Guarded data(saved.row_bytes()), scale(2 * 4);
      SavedMatrix last = saved;
      last.data = data.data();
      last.scale = reinterpret_cast<float*>(scale.data());
      last.rows = 1;
      save_matrix(ctx, x.v<2>().slice(0, 8, 1), last);
      load_matrix(ctx, last, chosen.v<2>().slice(0, 0, 1));
      for (i64 i = 0; i < 133; ++i) ASSERT_EQ(chosen[i], all[8 * 133 + i]);
    }
  });
}

TEST(SavedMatrix, NanStaysNanAndDoesNotSpread) {
  for_each_isa([](Ctx& ctx) {
    auto x = normal<float>({2, 140});
    x[33] = std::numeric_limits<float>::quiet_NaN();
    for (const SavedFormat format : kFormats) {
      Workspace::Scope scope(ctx.workspace());
      const SavedMatrix saved = saved_in(scope, format, 2, 140);
      save_matrix(ctx, x.v<2>(), saved);
      Tensor<float> out({2, 140});
      load_matrix(ctx, saved, out.v<2>());
      for (i64 i = 0; i < x.size(); ++i) ASSERT_EQ(std::isnan(out[i]), i == 33) << i;
    }
  });
}

// Power-of-two scales: turning a tile to the other axis costs E5M6 no second rounding (DeepSeek-V3
// §3.3.3), because every number stays on a grid of 7 significant bits.
TEST(SavedMatrix, E5m6HasSevenSignificantBits) {
  for_each_isa([](Ctx& ctx) {
    const auto x = normal<float>({8, 256});
    Workspace::Scope scope(ctx.workspace());
    const SavedMatrix saved = saved_in(scope, SavedFormat::kE5m6Tiles, 8, 256);
    save_matrix(ctx, x.v<2>(), saved);
    Tensor<float> out({8, 256});
    load_matrix(ctx, saved, out.v<2>());
    for (i64 i = 0; i < out.size(); ++i) {
      ASSERT_EQ(std::bit_cast<u32>(out[i]) & 0x1ffffu, 0u);
      ASSERT_LE(std::abs(out[i] - x[i]), std::abs(x[i]) * 0x1p-7f);
    }
  });
}

}  // namespace
}  // namespace fathom::ops
