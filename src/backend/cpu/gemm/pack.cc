#include <algorithm>

#include "backend/cpu/gemm/saved_rows.h"
#include "backend/cpu/table.h"
#include "base/checked_math.h"
#include "base/parallel.h"
#include "device/quantization_error.h"
#include "kernels/cpu/gemm/gemm_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "tensor/fp8.h"

namespace fathom::backend::cpu {
namespace {

using device::GemmFormat;
using device::GemmRounding;
using device::GemmScaling;
using kernels::kPanelRows;
using kernels::PackArgs;
using kernels::PackFormat;
using kernels::cpu::kPackScratchFloats;

constexpr i64 kAlignment = 64;

PackFormat pack_format(GemmFormat format) {
  switch (format) {
    case GemmFormat::kF32:
      return PackFormat::kF32;
    case GemmFormat::kBf16:
      return PackFormat::kBf16;
    case GemmFormat::kE4m3:
      return PackFormat::kE4m3;
    case GemmFormat::kE5m2:
      return PackFormat::kE5m2;
  }
  return PackFormat::kF32;
}

/// What K is padded to a multiple of: 128 for FP8, else what one step of the multiplier takes.
i64 k_multiple(const Ctx& ctx, const GemmRounding& rounding) {
  if (rounding.is_fp8()) return kFp8Block;
  return rounding.format == GemmFormat::kF32 ? 2 : ctx.isa().gemm->bf16_depth;
}

/// How a packed operand lies in its storage. Panels of 16 rows, K padded with zeros:
///   bf16 (ISAs with bf16_dot): [ceil(rows/16), k_padded/2, 16, 2] u16
///   else f32:                  [ceil(rows/16), k_padded, 16] f32, rounded where asked
///   scale (FP8):               [ceil(rows/16), k_padded/128, 16] f32, expanded to one a row
/// A left operand of tiles, by rows: [ceil(rows/16), k_padded/32, 16, 32] u16. FP8 numbers are held
/// as BF16 or f32, which is exact, before their scale.
struct StorageLayout {
  i64 panels, k_padded;
  bool is_bf16;
  i64 data_bytes, bytes;

  StorageLayout(const Ctx& ctx, i64 rows, i64 k, const GemmRounding& rounding)
      : panels(ceil_div(rows, kPanelRows)),
        k_padded(round_up(k, k_multiple(ctx, rounding))),
        is_bf16(ctx.isa().bf16_dot && rounding.format != GemmFormat::kF32),
        data_bytes(panels * k_padded * kPanelRows * (is_bf16 ? 2 : 4)),
        bytes(data_bytes) {
    if (rounding.is_fp8()) bytes += panels * (k_padded / kFp8Block) * kPanelRows * 4;
  }
};

i64 units_of(const PackArgs& args) {
  return ceil_div(args.rows, kFp8Block) * ceil_div(args.k_padded, kFp8Block);
}

float fp8_scale(float amax, const GemmRounding& rounding) {
  const NumberFormat format =
      rounding.format == GemmFormat::kE5m2 ? NumberFormat::kE5m2 : NumberFormat::kE4m3;
  return device::quantization_scale(amax, format, rounding.power_of_2_scales);
}

/// Scales that need all of K: one a packed row, in rows to a multiple of 128.
const float* row_scales(Ctx& ctx, Workspace::Scope& scope, const PackArgs& args,
                        const GemmRounding& rounding) {
  const i64 row_blocks = ceil_div(args.rows, kFp8Block), units = units_of(args);
  const View<float, 1> scales = scope.alloc<float>(row_blocks * kFp8Block);
  if (rounding.static_amax > 0.0f) {
    std::fill_n(scales.data(), scales.size(), fp8_scale(rounding.static_amax, rounding));
    return scales.data();
  }
  const View<float, 2> amax = scope.alloc<float>(units, kFp8Block);
  const i64 workers = std::min<i64>(units, num_threads());
  const View<float, 2> scratch = scope.alloc<float>(std::max<i64>(workers, 1), kPackScratchFloats);
  parallel_for_each(units, workers, [&](i64 worker, i64 unit) {
    ctx.isa().gemm->amax_units(args, unit, unit + 1, amax.data(), scratch.row(worker));
  });
  const i64 k_blocks = ceil_div(args.k_padded, kFp8Block);
  float largest = 0.0f;
  for (i64 row = 0; row < scales.size(); ++row) {
    float row_amax = 0.0f;
    for (i64 k = 0; k < k_blocks; ++k) {
      row_amax = std::max(row_amax, amax(row / kFp8Block * k_blocks + k, row % kFp8Block));
    }
    largest = std::max(largest, row_amax);
    scales(row) = fp8_scale(row_amax, rounding);
  }
  if (rounding.scaling == GemmScaling::kTensor) {
    std::fill_n(scales.data(), scales.size(), fp8_scale(largest, rounding));
  }
  return scales.data();
}

PackArgs args_of(Ctx& ctx, Workspace::Scope& scope, const device::PackSource& s,
                 const GemmRounding& rounding, u8* storage) {
  const i64 rows = s.packed_rows(), k = s.packed_k();
  const StorageLayout layout(ctx, rows, k, rounding);
  PackArgs args{
      .x = saved_rows(s.x),
      .ids = s.row_ids.data(),
      .transpose = s.transpose,
      .rows = rows,
      .k = k,
      .k_padded = layout.k_padded,
      .format = pack_format(rounding.format),
      .is_bf16 = layout.is_bf16,
      .in_rows = s.left && layout.is_bf16 && ctx.isa().gemm->left_in_rows,
      .row_scale = nullptr,
      .block_scales = rounding.is_fp8() && rounding.scaling == GemmScaling::kBlock,
      .power_of_2 = rounding.power_of_2_scales,
      .data = storage,
      .scale = rounding.is_fp8() ? reinterpret_cast<float*>(storage + layout.data_bytes) : nullptr};
  if (s.row_stride != 0)
    args.x.row_bytes = s.row_stride * (s.x.format == SavedFormat::kF32 ? 4 : 2);
  const bool whole_rows =
      rounding.scaling == GemmScaling::kRow || rounding.scaling == GemmScaling::kTensor;
  if (rounding.is_fp8() && (whole_rows || rounding.static_amax > 0.0f)) {
    args.row_scale = row_scales(ctx, scope, args, rounding);
    args.block_scales = false;
  }
  return args;
}

void pack(Ctx& ctx, const device::Pack& op) {
  Workspace::Scope scope(ctx.workspace());
  const i64 count = std::ssize(op.sources);
  PackArgs* args = scope.alloc<PackArgs>(count).data();
  i64* ends = scope.alloc<i64>(count).data();  // unit number after each source
  i64 units = 0;
  for (i64 i = 0; i < count; ++i) {
    const size_t at = static_cast<size_t>(i);
    args[i] = args_of(ctx, scope, op.sources[at], op.rounding, op.storage[at]);
    ends[i] = units += units_of(args[i]);
    op.packed[at] = {.data = args[i].data,
                     .scale = args[i].scale,
                     .rows = args[i].rows,
                     .k = args[i].k,
                     .k_padded = args[i].k_padded,
                     .is_bf16 = args[i].is_bf16,
                     .in_rows = args[i].in_rows};
  }
  const i64 workers = std::clamp<i64>(units, 1, num_threads());
  const View<float, 2> scratch = scope.alloc<float>(workers, kPackScratchFloats);
  parallel_for_each(units, workers, [&](i64 worker, i64 unit) {
    const i64 i = std::upper_bound(ends, ends + count, unit) - ends;
    const i64 first = unit - (i > 0 ? ends[i - 1] : 0);
    ctx.isa().gemm->pack_units(args[i], first, first + 1, scratch.row(worker));
  });
}

device::PackedLayout packed_layout(const Ctx& ctx, const device::PackedLayoutOf& op) {
  const StorageLayout layout(ctx, op.rows, op.k, op.rounding);
  return {.k_multiple = k_multiple(ctx, op.rounding), .bytes = round_up(layout.bytes, kAlignment)};
}

i64 pack_scratch_bytes(const Ctx&, const device::PackScratchBytes&) {
  return num_threads() * kPackScratchFloats * static_cast<i64>(sizeof(float));
}

}  // namespace

void set_pack(device::OpTable& table) {
  table.set(pack);
  table.set(packed_layout);
  table.set(pack_scratch_bytes);
}

}  // namespace fathom::backend::cpu
