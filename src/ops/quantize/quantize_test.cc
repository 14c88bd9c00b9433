#include "ops/quantize/quantize.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "backend/backend.h"
#include "base/checked_math.h"
#include "kernels/ref/quantize.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/paged_cache.h"
#include "testing/special_values.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

using testing::expect_bitwise_equal;
using testing::for_each_isa;
using testing::kInf;
using testing::kNan;
using testing::normal;
using testing::PagedCache;
using testing::ScopedThreads;
using testing::Tensor;

/// The definition, with tensor/fp8.h's rounding.
void expect_quantised(const Tensor<float>& x, ScaleFormat format, const Tensor<Fp8E4M3>& q,
                      const Tensor<float>& scale) {
  Tensor<Fp8E4M3> want_q({x.dim(0), x.dim(1)});
  Tensor<float> want_scale({scale.dim(0), scale.dim(1)});
  kernels::ref::quantize_blocks(x.v<2>(), format == ScaleFormat::kUe8m0, want_q.v<2>(),
                                want_scale.v<2>());
  for (i64 i = 0; i < scale.size(); ++i) ASSERT_EQ(scale[i], want_scale[i]) << i;
  for (i64 i = 0; i < q.size(); ++i) ASSERT_EQ(q[i].bits, want_q[i].bits) << x[i] << " at " << i;
}

TEST(QuantizeBlocks, EveryIsaEqualsTheDefinitionBitForBit) {
  for_each_isa([](Ctx& ctx) {
    for (const auto& [rows, cols] :
         {std::pair<i64, i64>{1, 1}, {128, 128}, {129, 127}, {3, 576}, {300, 161}}) {
      for (const double magnitude : {1e-7, 0.02, 1e6}) {
        for (const ScaleFormat format : {ScaleFormat::kF32, ScaleFormat::kUe8m0}) {
          auto x = normal<float>({rows, cols}, magnitude);
          for (i64 i = 0; i < x.size(); i += 7) x[i] *= 1e-3f;  // E4M3 subnormals and zeros
          for (i64 i = 3; i < x.size(); i += 11) x[i] = i % 2 == 0 ? 0.0f : -0.0f;
          Tensor<Fp8E4M3> q({rows, cols});
          Tensor<float> scale({ceil_div(rows, kFp8Block), ceil_div(cols, kFp8Block)});
          quantize_blocks(ctx, x.v<2>(), format, q.v<2>(), scale.v<2>());
          expect_quantised(x, format, q, scale);
        }
      }
    }
  });
}

// Every f32 near a rounding boundary of E4M3, with scale 1 (amax 448).
TEST(QuantizeBlocks, RoundsEveryTieToEven) {
  for_each_isa([](Ctx& ctx) {
    std::vector<float> values = {448.0f};
    for (int code = 0; code < 0x7e; ++code) {
      const float low = static_cast<float>(Fp8E4M3::from_bits(static_cast<u8>(code)));
      const float high = static_cast<float>(Fp8E4M3::from_bits(static_cast<u8>(code + 1)));
      const float tie = 0.5f * (low + high);
      for (const float v : {low, tie, std::nextafter(tie, 0.0f), std::nextafter(tie, 1e9f)}) {
        values.push_back(v);
        values.push_back(-v);
      }
    }
    const i64 cols = std::ssize(values);
    for (i64 begin = 0; begin < cols; begin += 127) {  // one block each, led by 448
      const i64 count = std::min<i64>(127, cols - begin);
      Tensor<float> x({1, count + 1}), scale({1, 1});
      x[0] = 448.0f;
      std::copy_n(values.data() + begin, count, x.data() + 1);
      Tensor<Fp8E4M3> q({1, count + 1});
      quantize_blocks(ctx, x.v<2>(), ScaleFormat::kF32, q.v<2>(), scale.v<2>());
      ASSERT_EQ(scale[0], 1.0f);
      for (i64 i = 0; i <= count; ++i) ASSERT_EQ(q[i].bits, Fp8E4M3(x[i]).bits) << x[i];
    }
  });
}

TEST(QuantizeBlocks, NanStaysNanAndDoesNotSpread) {
  for_each_isa([](Ctx& ctx) {
    Tensor<float> x({1, 20}), scale({1, 1});
    for (i64 i = 0; i < 20; ++i) x[i] = 1.0f;
    x[7] = kNan;
    Tensor<Fp8E4M3> q({1, 20});
    quantize_blocks(ctx, x.v<2>(), ScaleFormat::kF32, q.v<2>(), scale.v<2>());
    for (i64 i = 0; i < 20; ++i) EXPECT_EQ(q[i].bits & 0x7f, i == 7 ? 0x7f : 0x7e) << i;
  });
}

TEST(Dequantize, AllCodesAndRowOffsets) {
  for_each_isa([](Ctx& ctx) {
    const i64 rows = 300, cols = 256;
    std::vector<Fp8E4M3> codes(static_cast<size_t>(rows * cols));
    for (size_t i = 0; i < codes.size(); ++i) codes[i].bits = static_cast<u8>(i + i / 256);
    const auto scale = normal<float>({3, 2});
    MatRef w;
    w.dtype = DType::kF8E4M3;
    w.data = codes.data();
    w.rows = rows;
    w.cols = cols;
    w.scale = scale.data();
    w.scale_stride = 2;
    for (const auto& [begin, count] :
         {std::pair<i64, i64>{0, 300}, {100, 60}, {128, 128}, {299, 1}}) {
      Tensor<float> out({count, cols});
      dequantize(ctx, w.row_slice(begin, count), out.v<2>());
      for (i64 i = 0; i < out.size(); ++i) {
        const i64 row = begin + i / cols, col = i % cols;
        const float code = static_cast<float>(codes[static_cast<size_t>(row * cols + col)]);
        const float want = code * scale[row / 128 * 2 + col / 128];
        ASSERT_TRUE(std::isnan(want) ? std::isnan(out[i]) : out[i] == want) << row << ", " << col;
      }
    }
  });
}

CacheRowLayout layout_of(CacheDType dtype, i64 cols, i64 fp8_cols) {
  CacheRowLayout layout;
  layout.dtype = dtype;
  layout.cols = cols;
  layout.fp8_cols = fp8_cols;
  return layout;
}

TEST(CacheRows, RowBytes) {
  EXPECT_EQ(layout_of(CacheDType::kFp8, 576, 512).row_bytes(), 656);  // FlashMLA's layout
  EXPECT_EQ(layout_of(CacheDType::kBf16, 576, 512).row_bytes(), 1152);
  EXPECT_EQ(layout_of(CacheDType::kF32, 576, 512).row_bytes(), 2304);
  EXPECT_EQ(layout_of(CacheDType::kFp8, 130, 129).row_bytes(), 129 + 2 * 4 + 2);
}

TEST(CacheRows, StoreThenLoadRoundsAsTheLayoutSays) {
  for_each_isa([](Ctx& ctx) {
    for (const auto& [cols, fp8_cols] :
         {std::pair<i64, i64>{1, 0}, {1, 1}, {24, 16}, {130, 129}, {576, 512}, {200, 200}}) {
      for (const CacheDType dtype : {CacheDType::kF32, CacheDType::kBf16, CacheDType::kFp8}) {
        const CacheRowLayout layout = layout_of(dtype, cols, fp8_cols);
        const auto x = normal<float>({3, cols}, 3.0);
        // One row before and one after must stay as they are; the rows need no alignment.
        std::vector<u8> cache(static_cast<size_t>(5 * layout.row_bytes() + 1), 0xa5);
        u8* const page = cache.data() + 1;
        cache_store_rows(ctx, x.v<2>(), {.layout = layout, .pages = &page}, 1);
        for (i64 i = 0; i < layout.row_bytes(); ++i) {
          ASSERT_EQ(cache[static_cast<size_t>(1 + i)], 0xa5);
          ASSERT_EQ(cache[static_cast<size_t>(1 + 4 * layout.row_bytes() + i)], 0xa5);
        }
        Tensor<float> out({3, cols});
        cache_load_rows(ctx, {.layout = layout, .pages = &page}, 1, out.v<2>());
        for (i64 i = 0; i < x.size(); ++i) {
          const i64 col = i % cols, begin = col / 128 * 128;
          float want = dtype == CacheDType::kF32 ? x[i] : static_cast<float>(Bf16(x[i]));
          if (dtype == CacheDType::kFp8 && col < fp8_cols) {
            float amax = kFp8AmaxFloor;
            for (i64 c = begin; c < std::min(fp8_cols, begin + 128); ++c) {
              amax = std::max(amax, std::abs(x[i - col + c]));
            }
            const float scale = amax / kE4m3Max;
            want = static_cast<float>(Fp8E4M3(x[i] / scale)) * scale;
          }
          ASSERT_EQ(out[i], want) << "cols " << cols << " at " << i;
        }
      }
    }
  });
}

// Rows that begin in one page and end in another, for any number of threads.
TEST(CacheRows, CrossPages) {
  for_each_isa([](Ctx& ctx) {
    const CacheRowLayout layout = layout_of(CacheDType::kF32, 70, 0);
    const i64 before = device::kPageTokens - 3, rows = 2 * device::kPageTokens + 5;
    const auto x = normal<float>({rows, 70});
    for (const int threads : {1, 3}) {
      const ScopedThreads scoped(threads);
      const PagedCache cache(layout, before + rows);
      cache_store_rows(ctx, x.v<2>(), cache.rows(), before);
      for (const i64 row : {i64{0}, i64{2}, i64{3}, device::kPageTokens + 3, rows - 1}) {
        float stored = 0.0f;
        std::memcpy(&stored, cache.rows().row(before + row), sizeof stored);
        EXPECT_EQ(stored, x[row * 70]) << "row " << row;
      }
      Tensor<float> out({rows, 70});
      cache_load_rows(ctx, cache.rows(), before, out.v<2>());
      expect_bitwise_equal(out, x);
    }
  });
}

// Halfway between two BF16 numbers, and one bit beside: to even, for even and odd neighbours.
TEST(CacheRows, Bf16RoundsTiesToEven) {
  for_each_isa([](Ctx& ctx) {
    std::vector<float> values;
    for (const u32 upper :
         {0x0000u, 0x0001u, 0x3f80u, 0x3f81u, 0xbf80u, 0xbf81u, 0x7f7fu, 0x0080u}) {
      for (const u32 lower : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
        values.push_back(std::bit_cast<float>(upper << 16 | lower));
      }
    }
    const i64 cols = std::ssize(values);
    const CacheRowLayout layout = layout_of(CacheDType::kBf16, cols, 0);
    std::vector<u8> cache(static_cast<size_t>(layout.row_bytes()));
    u8* const page = cache.data();
    cache_store_rows(ctx, {values.data(), {1, cols}}, {.layout = layout, .pages = &page}, 0);
    for (i64 i = 0; i < cols; ++i) {
      u16 stored = 0;
      std::memcpy(&stored, cache.data() + 2 * i, 2);
      EXPECT_EQ(stored, Bf16(values[static_cast<size_t>(i)]).bits)
          << values[static_cast<size_t>(i)];
    }
  });
}

TEST(CacheRows, NanAndInfinitySurviveBf16) {
  for_each_isa([](Ctx& ctx) {
    const CacheRowLayout layout = layout_of(CacheDType::kBf16, 19, 0);
    Tensor<float> x({1, 19}), out({1, 19});
    x[3] = kNan;
    x[18] = -kInf;
    x[4] = std::bit_cast<float>(0x7f800001u);  // a signalling NaN whose payload rounds away
    const PagedCache cache(layout, 1);
    cache_store_rows(ctx, x.v<2>(), cache.rows(), 0);
    cache_load_rows(ctx, cache.rows(), 0, out.v<2>());
    EXPECT_TRUE(std::isnan(out[3]));
    EXPECT_TRUE(std::isnan(out[4]));
    EXPECT_EQ(out[18], -kInf);
    EXPECT_EQ(out[0], 0.0f);
  });
}

TEST(QuantizeBlocks, ScaleShapeIsNamed) {
  Ctx ctx = backend::make_context();
  Tensor<float> x({129, 5}), scale({1, 1});
  Tensor<Fp8E4M3> q({129, 5});
  try {
    quantize_blocks(ctx, x.v<2>(), ScaleFormat::kF32, q.v<2>(), scale.v<2>());
    FAIL() << "accepted";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("scale [1, 1] vs x [129, 5]: expected [2, 1]"));
  }
}

}  // namespace
}  // namespace fathom::ops
