#pragma once
#include "device/op.h"
#include "tensor/bf16.h"
#include "tensor/fp8.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::device {

enum class ScaleFormat { kF32, kUe8m0 };

struct QuantizeBlocks {
  static constexpr const char* kName = "quantize_blocks";
  View<const float, 2> x;
  ScaleFormat format;
  View<Fp8E4M3, 2> q;
  View<float, 2> scale;
};
struct QuantizeGroups {
  static constexpr const char* kName = "quantize_groups";
  View<const float, 2> x;
  int bits;
  i64 group;
  View<u32, 2> packed;
  View<Bf16, 2> scale;
};
struct Dequantize {
  static constexpr const char* kName = "dequantize";
  MatRef w;
  View<float, 2> out;
};

/// How one row of a cache is stored. The first `fp8_cols` numbers of a kFp8 row are E4M3 with one
/// f32 scale a 128 of them, the rest BF16: 512 + 4*4 + 64*2 = 656 bytes for V3's latent (FlashMLA's
/// size).
enum class CacheDType { kF32, kBf16, kFp8 };
struct CacheRowLayout {
  CacheDType dtype = CacheDType::kBf16;
  i64 cols = 0;      // numbers in a row
  i64 fp8_cols = 0;  // kFp8 only: how many of them are quantised
  i64 row_bytes() const;
  /// Numbers of a row that are stored as E4M3.
  i64 quantised_cols() const { return dtype == CacheDType::kFp8 ? fp8_cols : 0; }
};

}  // namespace fathom::device
