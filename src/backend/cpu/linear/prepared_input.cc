#include "backend/cpu/linear/prepared_input.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "backend/cpu/threads.h"
#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/linear/linear_table.h"
#include "kernels/cpu/prefill_linear/prefill_linear_table.h"
#include "kernels/cpu/quantize/quantize_table.h"

namespace fathom::backend::cpu {
namespace {

using device::Activations;
using device::LinearMode;

/// Up to so many tokens a product takes the time of reading its weights, and f32 rows are
/// multiplied where they lie.
constexpr i64 kMaxTokensInPlace = 8;

/// What is done to an input before it is multiplied.
enum class Preparation { kNothing, kCopy, kRoundBf16, kQuantizeTiles, kQuantizeGroups, kPanels };

Preparation preparation_of(const Ctx& ctx, const MatRef& w, const LinearMode& mode, i64 tokens) {
  if (wants_panels(ctx, w, mode)) return Preparation::kPanels;
  if (w.dtype == DType::kF32 || mode.activations == Activations::kF32) {
    return tokens <= kMaxTokensInPlace ? Preparation::kNothing : Preparation::kCopy;
  }
  if (w.bits != 0 && mode.activations == Activations::kInt8) return Preparation::kQuantizeGroups;
  return quantises_tiles(w, mode) ? Preparation::kQuantizeTiles : Preparation::kRoundBf16;
}

/// Elements from one row to the next: a cache line more than the columns, because rows a power of
/// two apart would share a few sets of the cache.
i64 padded_stride(i64 in, bool is_bf16) {
  return round_up(in, kernels::kScaleBlock) + (is_bf16 ? 32 : 16);
}

/// Room for x in f32 or BF16, and where it is.
struct OwnRows {
  PreparedInput input;
  void* data;

  OwnRows(Workspace::Scope& scope, View<const float, 2> x, bool is_bf16)
      : input{.stride = padded_stride(x.dim(1), is_bf16),
              .form = is_bf16 ? PreparedInput::Form::kBf16 : PreparedInput::Form::kF32,
              .tokens = x.dim(0),
              .in = x.dim(1)} {
    const i64 bytes = input.tokens * input.stride * input.element_bytes();
    input.data = data = scope.alloc<u8>(bytes).data();
  }
};

PreparedInput copied(Workspace::Scope& scope, View<const float, 2> x) {
  const OwnRows own(scope, x, /*is_bf16=*/false);
  float* out = static_cast<float*>(own.data);
  for_rows(x.dim(0), x.dim(1) / 4, [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; ++t) std::copy_n(x.row(t), x.dim(1), out + t * own.input.stride);
  });
  return own.input;
}

/// Do products with `w` take BF16, or BF16 numbers held as f32?
bool multiplies_bf16(const Ctx& ctx, const MatRef& w) { return ctx.isa().bf16_dot && w.bits == 0; }

PreparedInput rounded(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x, const MatRef& w) {
  const OwnRows own(scope, x, multiplies_bf16(ctx, w));
  round_rows(ctx, x, own.data, own.input.stride, own.input.is_bf16());
  return own.input;
}

/// E4M3 numbers with a scale for each 1x128 tile.
PreparedInput quantised_tiles(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                              const MatRef& w, const LinearMode& mode) {
  const OwnRows own(scope, x, multiplies_bf16(ctx, w));
  PreparedInput input = own.input;
  input.scale_stride = ceil_div(input.in, kernels::kScaleBlock);
  float* scale = scope.alloc<float>(input.tokens, input.scale_stride).data();
  input.scale = scale;
  const kernels::QuantizeTilesArgs args{.x = x.data(),
                                        .x_stride = x.stride(0),
                                        .out = own.data,
                                        .out_stride = input.stride,
                                        .out_is_bf16 = input.is_bf16(),
                                        .power_of_2 = mode.activations == Activations::kFp8PowerOf2,
                                        .scale = scale,
                                        .scale_stride = input.scale_stride,
                                        .cols = input.in};
  for_rows(input.tokens, input.in,
           [&](i64 begin, i64 end) { ctx.isa().quantize->quantize_tile_rows(args, begin, end); });
  return input;
}

/// INT8 in the groups of `w`: codes where bytes can be multiplied, else f32 multiples of the
/// scales.
PreparedInput quantised_groups(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                               const MatRef& w) {
  const kernels::cpu::LinearTable& kernel = *ctx.isa().linear;
  const bool codes = kernel.quantize_group_rows != nullptr;
  PreparedInput input{.tokens = x.dim(0), .in = x.dim(1)};
  if (codes) {
    input.form = PreparedInput::Form::kCodes;
    input.stride = kernels::packed_row_bytes(w.bits, w.group_size, input.in);
  } else {
    input.stride = padded_stride(input.in, /*is_bf16=*/false);
  }
  const i64 stride_bytes = input.stride * input.element_bytes();
  u8* out = scope.alloc<u8>(input.tokens * stride_bytes).data();
  input.data = out;
  const kernels::QuantizeGroupsArgs args{.x = x.data(),
                                         .x_stride = x.stride(0),
                                         .cols = input.in,
                                         .group = w.group_size,
                                         .bits = w.bits,
                                         .out = out,
                                         .out_stride = stride_bytes};
  for_rows(input.tokens, input.in, [&](i64 begin, i64 end) {
    (codes ? kernel.quantize_group_rows : kernel.quantize_group_rows_f32)(args, begin, end);
  });
  return input;
}

/// Rows `ids` of x, in order.
PreparedInput gather_rows(Workspace::Scope& scope, const PreparedInput& x, View<const i32, 1> ids) {
  PreparedInput rows = x;
  const i64 element_bytes = x.element_bytes();
  rows.tokens = ids.dim(0);
  if (x.form != PreparedInput::Form::kCodes) rows.stride = padded_stride(x.in, x.is_bf16());
  u8* data = scope.alloc<u8>(rows.tokens * rows.stride * element_bytes).data();
  rows.data = data;
  float* scale = nullptr;
  if (x.scale != nullptr) {
    scale = scope.alloc<float>(rows.tokens, x.scale_stride).data();
    rows.scale = scale;
  }
  for_rows(rows.tokens, x.in / 4, [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; ++r) {
      std::memcpy(data + r * rows.stride * element_bytes,
                  static_cast<const u8*>(x.data) + ids(r) * x.stride * element_bytes,
                  static_cast<size_t>(x.row_bytes()));
      if (scale == nullptr) continue;
      std::copy_n(x.scale + ids(r) * x.scale_stride, x.scale_stride, scale + r * x.scale_stride);
    }
  });
  return rows;
}

/// Each group begins a panel of its own.
std::span<PreparedInput> groups_as_panels(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                                          View<const i32, 1> ids, View<const i32, 1> begin,
                                          const MatRef& w, const LinearMode& mode) {
  const kernels::PackPanelsArgs args = pack_panels(ctx, scope, x, ids, begin, w, mode);
  const i64 panel_bytes = ctx.isa().prefill_linear->panel_bytes(args.form, args.k_padded);
  const i64 panel_scales = kernels::panel_scales(args.cols, args.group);
  const i64 groups = begin.dim(0) - 1;
  const View<PreparedInput, 1> result = scope.alloc<PreparedInput>(groups);
  i64 panel = 0;
  for (i64 g = 0; g < groups; ++g) {
    const i64 tokens = begin(g + 1) - begin(g);
    result(g) = {.data = args.out + panel * panel_bytes,
                 .form = PreparedInput::Form::kPanels,
                 .scale = args.scale == nullptr ? nullptr : args.scale + panel * panel_scales,
                 .sum = args.sum == nullptr ? nullptr : args.sum + panel * panel_scales,
                 .tokens = tokens,
                 .in = args.cols,
                 .panel_form = args.form};
    panel += ceil_div(tokens, kernels::kPanelTokens);
  }
  return {result.data(), static_cast<size_t>(groups)};
}

}  // namespace

PreparedInput PreparedInput::rows(i64 begin, i64 count) const {
  PreparedInput part = *this;
  part.data = static_cast<const u8*>(data) + begin * stride * element_bytes();
  if (scale != nullptr) part.scale = scale + begin * scale_stride;
  part.tokens = count;
  return part;
}

void round_rows(Ctx& ctx, View<const float, 2> x, void* out, i64 out_stride, bool is_bf16) {
  const kernels::RoundBf16Args args{.x = x.data(),
                                    .x_stride = x.stride(0),
                                    .out = out,
                                    .out_stride = out_stride,
                                    .out_is_bf16 = is_bf16,
                                    .cols = x.dim(1)};
  for_rows(x.dim(0), x.dim(1),
           [&](i64 begin, i64 end) { ctx.isa().quantize->round_bf16_rows(args, begin, end); });
}

PreparedInput prepare_input(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                            const MatRef& w, LinearMode mode) {
  switch (preparation_of(ctx, w, mode, x.dim(0))) {
    case Preparation::kNothing:
      return {.data = x.data(), .stride = x.stride(0), .tokens = x.dim(0), .in = x.dim(1)};
    case Preparation::kCopy:
      return copied(scope, x);
    case Preparation::kRoundBf16:
      return rounded(ctx, scope, x, w);
    case Preparation::kQuantizeTiles:
      return quantised_tiles(ctx, scope, x, w, mode);
    case Preparation::kQuantizeGroups:
      return quantised_groups(ctx, scope, x, w);
    case Preparation::kPanels:
      break;
  }
  const std::array<i32, 2> all = {0, static_cast<i32>(x.dim(0))};
  return groups_as_panels(ctx, scope, x, {}, {all.data(), {2}}, w, mode).front();
}

std::span<PreparedInput> prepare_groups(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                                        View<const i32, 1> ids, View<const i32, 1> begin,
                                        const MatRef& w, LinearMode mode) {
  if (wants_panels(ctx, w, mode)) return groups_as_panels(ctx, scope, x, ids, begin, w, mode);
  const i64 groups = begin.dim(0) - 1;
  const View<PreparedInput, 1> result = scope.alloc<PreparedInput>(groups);
  PreparedInput all = prepare_input(ctx, scope, x, w, mode);
  if (!ids.empty()) all = gather_rows(scope, all, ids);
  for (i64 g = 0; g < groups; ++g) result(g) = all.rows(begin(g), begin(g + 1) - begin(g));
  return {result.data(), static_cast<size_t>(groups)};
}

}  // namespace fathom::backend::cpu
