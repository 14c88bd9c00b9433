#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/backend.h"
#include "kernels/cpu/isa/isa_table.h"
#include "ops/gemm/gemm.h"
#include "ops/gemm/gemm_test_support.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/special_values.h"

namespace fathom::ops {
namespace {

using testing::for_each_isa;
using testing::kNan;
using testing::normal;

/// Number [row, k] of a packed operand, padding included.
float packed_at(const PackedMatrix& p, i64 row, i64 k) {
  const i64 panel = row / 16 * p.k_padded * 16;
  if (p.in_rows) {
    const u16 in_rows =
        static_cast<const u16*>(p.data)[panel + k / 32 * 512 + row % 16 * 32 + k % 32];
    return static_cast<float>(Bf16::from_bits(in_rows));
  }
  if (!p.is_bf16) return static_cast<const float*>(p.data)[panel + k * 16 + row % 16];
  const u16 bits = static_cast<const u16*>(p.data)[panel + k / 2 * 32 + row % 16 * 2 + k % 2];
  return static_cast<float>(Bf16::from_bits(bits));
}
float scale_at(const PackedMatrix& p, i64 row, i64 block) {
  return p.scale[(row / 16 * (p.k_padded / 128) + block) * 16 + row % 16];
}

/// A packed operand holds exactly what the definition says, and zeros in its padding.
void expect_packed(const Ctx& ctx, const PackedMatrix& p, const Tensor<float>& x,
                   const GemmRounding& rounding) {
  const RoundedOperand want = round_operand(x, rounding);
  ASSERT_EQ(p.rows, x.dim(0));
  ASSERT_EQ(p.k, x.dim(1));
  ASSERT_EQ(p.k_padded, round_up(p.k, packed_k_multiple(ctx, rounding)));
  for (i64 row = 0; row < round_up(p.rows, 16); ++row) {
    for (i64 k = 0; k < p.k_padded; ++k) {
      const bool real = row < p.rows && k < p.k;
      const float number = real ? want.numbers[row * p.k + k] : 0.0f;
      ASSERT_EQ(packed_at(p, row, k), number) << "row " << row << ", k " << k;
      if (rounding.is_fp8() && real) {
        ASSERT_EQ(scale_at(p, row, k / 128), want.scale[row * want.scale.dim(1) + k / 128])
            << "row " << row << ", k " << k;
      }
    }
  }
}

std::vector<GemmRounding> all_roundings() {
  std::vector<GemmRounding> all = {kF32, kBf16};
  for (const GemmFormat format : {GemmFormat::kE4m3, GemmFormat::kE5m2}) {
    for (const GemmScaling scaling :
         {GemmScaling::kTile, GemmScaling::kBlock, GemmScaling::kRow, GemmScaling::kTensor}) {
      all.push_back({format, scaling});
      all.push_back({format, scaling, true});
    }
    all.push_back({format, GemmScaling::kTile, false, 2.5f});
    all.push_back({format, GemmScaling::kTensor, true, 2.5f});
  }
  return all;
}

/// Numbers of many magnitudes, zeros of both signs among them.
Tensor<float> wide(i64 rows, i64 cols) {
  auto x = normal<float>({rows, cols});
  for (i64 i = 0; i < x.size(); i += 3) x[i] *= 1e-3f;
  for (i64 i = 1; i < x.size(); i += 7) x[i] *= 300.0f;
  for (i64 i = 2; i < x.size(); i += 13) x[i] = i % 2 == 0 ? 0.0f : -0.0f;
  return x;
}

constexpr std::pair<i64, i64> kPackedShapes[] = {{1, 1},   {15, 17},  {16, 16},   {17, 31},
                                                 {3, 128}, {129, 33}, {130, 257}, {37, 300}};

TEST(Pack, EveryRoundingAndOrientationEqualsTheDefinition) {
  for_each_isa([](Ctx& ctx) {
    for (const auto& [rows, cols] : kPackedShapes) {
      const auto x = wide(rows, cols);
      for (const GemmRounding& rounding : all_roundings()) {
        for (const bool transpose : {false, true}) {
          SCOPED_TRACE("[" + std::to_string(rows) + ", " + std::to_string(cols) + "] format " +
                       std::to_string(static_cast<int>(rounding.format)) + " scaling " +
                       std::to_string(static_cast<int>(rounding.scaling)) +
                       (transpose ? " transposed" : ""));
          Workspace::Scope scope(ctx.workspace());
          for (const bool left : {false, true}) {
            PackSource source(x.v<2>(), transpose);
            source.left = left;
            const PackedMatrix p = pack(ctx, scope, source, rounding);
            ASSERT_NO_FATAL_FAILURE(expect_packed(ctx, p, arrange(x, transpose), rounding));
          }
        }
      }
    }
  });
}

TEST(Pack, RowsByIdAndStrides) {
  for_each_isa([](Ctx& ctx) {
    const auto x = wide(40, 150);
    const View<const float, 2> part = x.v<2>().slice(1, 5, 139);
    Tensor<float> dense({40, 139});
    for (i64 i = 0; i < dense.size(); ++i) dense[i] = part(i / 139, i % 139);
    const std::vector<i32> ids = {39, 0, 7, 7, 8, 22, 1, 0, 5, 9, 11, 30, 31, 32, 2, 3, 4, 39, 38};
    for (const GemmRounding& rounding : all_roundings()) {
      for (const bool transpose : {false, true}) {
        Workspace::Scope scope(ctx.workspace());
        ASSERT_NO_FATAL_FAILURE(expect_packed(ctx,
                                              pack(ctx, scope, {part, transpose, ids}, rounding),
                                              arrange(dense, transpose, ids), rounding));
      }
    }
  });
}

// The transposed weight's blocks are the weight's blocks, transposed: one quantised weight, both
// ways.
TEST(Pack, BlockScalesOfATransposedWeightAreTheSame) {
  for_each_isa([](Ctx& ctx) {
    const auto w = wide(300, 200);
    const GemmRounding block{GemmFormat::kE4m3, GemmScaling::kBlock};
    Workspace::Scope scope(ctx.workspace());
    const PackedMatrix p = pack(ctx, scope, {w.v<2>(), false}, block);
    const PackedMatrix transposed = pack(ctx, scope, {w.v<2>(), true}, block);
    for (i64 row = 0; row < 300; ++row) {
      for (i64 k = 0; k < 200; ++k) {
        ASSERT_EQ(packed_at(p, row, k), packed_at(transposed, k, row));
        ASSERT_EQ(scale_at(p, row, k / 128), scale_at(transposed, k, row / 128));
      }
    }
  });
}

TEST(Pack, ReadsEverySavedFormat) {
  for_each_isa([](Ctx& ctx) {
    const i64 rows = 150, cols = 277;
    const auto x = wide(rows, cols);
    const std::vector<i32> ids = {149, 3, 3, 90, 17};
    for (const SavedFormat format : {SavedFormat::kF32, SavedFormat::kBf16, SavedFormat::kE4m3Tiles,
                                     SavedFormat::kE5m6Tiles}) {
      Workspace::Scope scope(ctx.workspace());
      u8* storage = scope.alloc<u8>(saved_matrix_bytes(format, rows, cols)).data();
      const SavedMatrix saved = saved_matrix_at(storage, format, rows, cols);
      save_matrix(ctx, x.v<2>(), saved);
      Tensor<float> loaded({rows, cols});
      load_matrix(ctx, saved, loaded.v<2>());
      for (const GemmRounding& rounding : {kF32, kBf16, GemmRounding{GemmFormat::kE4m3}}) {
        for (const bool transpose : {false, true}) {
          for (const std::span<const i32> chosen : {std::span<const i32>(), std::span(ids)}) {
            const PackedMatrix p = pack(ctx, scope, PackSource(saved, transpose, chosen), rounding);
            ASSERT_NO_FATAL_FAILURE(
                expect_packed(ctx, p, arrange(loaded, transpose, chosen), rounding))
                << static_cast<int>(format);
          }
        }
      }
    }
  });
}

TEST(Pack, Bf16RoundsTiesToEven) {
  for_each_isa([](Ctx& ctx) {
    std::vector<float> values;
    for (const u32 upper : {0x3f80u, 0x3f81u, 0xbf80u, 0xbf81u, 0x7f7fu, 0x0100u}) {
      for (const u32 lower : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
        values.push_back(std::bit_cast<float>(upper << 16 | lower));
      }
    }
    Tensor<float> x({std::ssize(values), 1});
    std::copy(values.begin(), values.end(), x.data());
    for (const bool transpose : {false, true}) {
      Workspace::Scope scope(ctx.workspace());
      ASSERT_NO_FATAL_FAILURE(expect_packed(ctx, pack(ctx, scope, {x.v<2>(), transpose}, kBf16),
                                            arrange(x, transpose), kBf16));
    }
  });
}

TEST(Pack, NanStaysAndDoesNotSpread) {
  for_each_isa([](Ctx& ctx) {
    for (const GemmRounding& rounding : all_roundings()) {
      for (const bool transpose : {false, true}) {
        auto x = normal<float>({20, 30});
        x[7 * 30 + 11] = kNan;
        Workspace::Scope scope(ctx.workspace());
        const PackedMatrix p = pack(ctx, scope, {x.v<2>(), transpose}, rounding);
        for (i64 i = 0; i < 20; ++i) {
          for (i64 j = 0; j < 30; ++j) {
            const float number = transpose ? packed_at(p, j, i) : packed_at(p, i, j);
            ASSERT_EQ(std::isnan(number), i == 7 && j == 11) << i << ", " << j;
          }
        }
      }
    }
  });
}

TEST(Pack, ManyAtOnceEqualOneByOneForAnyThreads) {
  for_each_isa([](Ctx& ctx) {
    const auto x = wide(300, 190);
    std::vector<i32> ids(300);  // of five experts, one without rows
    for (i32 i = 0; i < 300; ++i) ids[static_cast<size_t>(i)] = i * 7 % 300;
    const size_t ends[] = {0, 3, 19, 19, 147, 300};
    std::vector<PackSource> sources = {{x.v<2>()}};
    for (size_t e = 0; e < 5; ++e) {
      const auto rows = std::span<const i32>(ids).subspan(ends[e], ends[e + 1] - ends[e]);
      sources.emplace_back(x.v<2>(), e % 2 == 0, rows);
    }
    for (const GemmRounding& rounding : {kBf16, GemmRounding{GemmFormat::kE4m3}}) {
      Workspace::Scope scope(ctx.workspace());
      std::vector<std::vector<u8>> alone(sources.size());
      std::vector<u8*> storage(sources.size());
      for (size_t i = 0; i < sources.size(); ++i) {
        const PackedMatrix shape = pack(ctx, scope, sources[i], rounding);
        alone[i].resize(static_cast<size_t>(packed_bytes(ctx, shape.rows, shape.k, rounding)));
        storage[i] = scope.alloc<u8>(std::ssize(alone[i]) + 1).data();
        std::fill_n(storage[i], alone[i].size() + 1, u8{0xa5});
        pack(ctx, sources[i], rounding, storage[i]);
        ASSERT_EQ(storage[i][alone[i].size()], 0xa5) << "wrote beyond packed_bytes";
        std::copy_n(storage[i], alone[i].size(), alone[i].data());
      }
      for (const int threads : {1, 2, 7}) {
        const testing::ScopedThreads scoped(threads);
        for (size_t i = 0; i < sources.size(); ++i)
          std::fill_n(storage[i], alone[i].size(), u8{0xa5});
        std::vector<PackedMatrix> packed(sources.size());
        pack_all(ctx, sources, rounding, storage, packed);
        for (size_t i = 0; i < sources.size(); ++i) {
          ASSERT_TRUE(std::equal(alone[i].begin(), alone[i].end(), storage[i]))
              << "source " << i << ", " << threads << " threads";
        }
      }
    }
  });
}

TEST(Pack, WrongShapesAreNamed) {
  Ctx ctx = backend::make_context();
  const auto x = normal<float>({4, 6});
  Workspace::Scope scope(ctx.workspace());
  const std::vector<i32> ids = {0, 4};
  try {
    pack(ctx, scope, {x.v<2>(), false, ids}, kBf16);
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("row 4 of [4, 6]"));
  }
  // A row that is repeated, which a stride of 0 would say, is not four rows one after the other.
  EXPECT_THROW((PackSource(View<const float, 2>(x.data(), {4, 6}, {0, 1}))), InternalError);
  EXPECT_THROW((PackSource(View<const float, 2>(x.data(), {4, 6}, {5, 1}))), InternalError);
}

}  // namespace
}  // namespace fathom::ops
