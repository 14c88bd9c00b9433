// The forms in which products want their inputs: rounded, quantised, gathered, as panels.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked_math.h"
#include "base/error.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/linear/linear_table.h"
#include "kernels/cpu/prefill_linear/prefill_linear_table.h"
#include "kernels/cpu/quantize/quantize_table.h"
#include "ops/checks.h"
#include "ops/linear_batch.h"

namespace fathom::ops {
namespace {

/// Tokens below which a product costs the reading of its weights, not its arithmetic.
constexpr i64 kReadBoundTokens = 8;

/// E4M3 values for FP8 weights, otherwise nothing but the BF16 rounding.
bool quantises(DType dtype, Activations activations) {
  return dtype == DType::kF8E4M3 &&
         (activations == Activations::kFp8 || activations == Activations::kFp8PowerOf2);
}

void copy_rows(Ctx& ctx, View<const float, 2> x, float* out, i64 out_stride) {
  ctx.for_rows(x.dim(0), x.dim(1) / 4, [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; ++t) std::copy_n(x.row(t), x.dim(1), out + t * out_stride);
  });
}

/// x quantised to INT8 in the groups of `w`: codes where bytes can be multiplied, else f32
/// multiples of the scales.
PreparedInput to_int8(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x, const MatRef& w) {
  const kernels::cpu::LinearTable& packed = *ctx.isa().linear;
  PreparedInput p{.tokens = x.dim(0), .in = x.dim(1)};
  const bool codes = packed.quantize_group_rows != nullptr;
  i64 stride_bytes = 0;
  if (codes) {
    p.form = PreparedInput::Form::kCodes;
    p.stride = stride_bytes = kernels::packed_row_bytes(w.bits, w.group_size, p.in);
  } else {
    p.stride = prepared_stride(p.in, /*is_bf16=*/false);
    stride_bytes = p.stride * static_cast<i64>(sizeof(float));
  }
  u8* out = scope.alloc<u8>(p.tokens * stride_bytes).data();
  p.data = out;
  const kernels::QuantizeGroupsArgs args{.x = x.data(),
                                         .x_stride = x.stride(0),
                                         .cols = p.in,
                                         .group = w.group_size,
                                         .bits = w.bits,
                                         .out = out,
                                         .out_stride = stride_bytes};
  ctx.for_rows(p.tokens, p.in, [&](i64 begin, i64 end) {
    (codes ? packed.quantize_group_rows : packed.quantize_group_rows_f32)(args, begin, end);
  });
  return p;
}

/// Rows `token` of x, in order.
PreparedInput gather_rows(Ctx& ctx, Workspace::Scope& scope, const PreparedInput& x,
                          View<const i32, 1> token) {
  PreparedInput rows = x;
  const i64 element_bytes = x.element_bytes();
  rows.tokens = token.dim(0);
  if (x.form != PreparedInput::Form::kCodes) rows.stride = prepared_stride(x.in, x.is_bf16());
  u8* data = scope.alloc<u8>(rows.tokens * rows.stride * element_bytes).data();
  rows.data = data;
  float* scale = nullptr;
  if (x.scale != nullptr) {
    scale = scope.alloc<float>(rows.tokens, x.scale_stride).data();
    rows.scale = scale;
  }
  ctx.for_rows(rows.tokens, x.in / 4, [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; ++r) {
      std::memcpy(data + r * rows.stride * element_bytes,
                  static_cast<const u8*>(x.data) + token(r) * x.stride * element_bytes,
                  static_cast<size_t>(x.row_bytes()));
      if (scale == nullptr) continue;
      std::copy_n(x.scale + token(r) * x.scale_stride, x.scale_stride, scale + r * x.scale_stride);
    }
  });
  return rows;
}

}  // namespace

bool wants_panels(const Ctx& ctx, const MatRef& w, const LinearMode& mode) {
  if (!mode.many_rows || ctx.isa().prefill_linear == nullptr) return false;
  if (mode.activations == Activations::kF32 || w.dtype == DType::kF32) return false;
  return w.bits == 0 || mode.activations == Activations::kInt8;
}

namespace {

/// Groups of rows as panels; each group begins a panel of its own.
std::span<PreparedInput> to_panels(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                                   View<const i32, 1> ids, View<const i64, 1> begin,
                                   const MatRef& w, const LinearMode& mode) {
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  using kernels::kPanelTokens;
  const i64 groups = begin.dim(0) - 1, in = x.dim(1);
  i64 panels = 0;
  for (i64 g = 0; g < groups; ++g) panels += ceil_div(begin(g + 1) - begin(g), kPanelTokens);

  kernels::PackPanelsArgs args = alloc_panels(ctx, scope, panels, in, w, mode);
  const i64 bytes = ctx.isa().prefill_linear->panel_bytes(args.form, args.k_padded);
  const i64 scales = kernels::panel_scales(in, args.group);
  const auto first_row = scope.alloc<i64>(panels);
  const auto panel_rows = scope.alloc<i32>(panels);
  const std::span<PreparedInput> result(scope.alloc<PreparedInput>(groups).data(),
                                        static_cast<size_t>(groups));
  i64 panel = 0;
  for (i64 g = 0; g < groups; ++g) {
    const i64 tokens = begin(g + 1) - begin(g);
    result[static_cast<size_t>(g)] = {
        .data = args.out + panel * bytes,
        .form = PreparedInput::Form::kPanels,
        .scale = args.scale == nullptr ? nullptr : args.scale + panel * scales,
        .tokens = tokens,
        .in = in,
        .panel_form = args.form};
    for (i64 row = begin(g); row < begin(g + 1); row += kPanelTokens, ++panel) {
      first_row(panel) = row;
      panel_rows(panel) = static_cast<i32>(std::min(kPanelTokens, begin(g + 1) - row));
    }
  }
  args.x = x.data();
  args.x_stride = x.stride(0);
  args.ids = ids.empty() ? nullptr : ids.data();
  args.first_row = first_row.data();
  args.panel_rows = panel_rows.data();
  ctx.for_rows(panels, in * kPanelTokens,
               [&](i64 from, i64 to) { ctx.isa().prefill_linear->pack_panels(args, from, to); });
  return result;
}

}  // namespace

void round_rows(Ctx& ctx, View<const float, 2> x, void* out, i64 out_stride, bool is_bf16) {
  const kernels::RoundBf16Args args{.x = x.data(),
                                    .x_stride = x.stride(0),
                                    .out = out,
                                    .out_stride = out_stride,
                                    .out_is_bf16 = is_bf16,
                                    .cols = x.dim(1)};
  ctx.for_rows(x.dim(0), x.dim(1),
               [&](i64 begin, i64 end) { ctx.isa().quantize->round_bf16_rows(args, begin, end); });
}

kernels::PackPanelsArgs alloc_panels(Ctx& ctx, Workspace::Scope& scope, i64 panels, i64 in,
                                     const MatRef& w, LinearMode mode) {
  const bool integers = w.bits != 0, fp8 = quantises(w.dtype, mode.activations);
  kernels::PackPanelsArgs args{
      .cols = in,
      .k_padded = kernels::panel_k_padded(in),
      .form = integers ? kernels::PanelForm::kInt8
              : fp8    ? kernels::PanelForm::kFp8
                       : kernels::PanelForm::kBf16,
      .power_of_2 = mode.activations == Activations::kFp8PowerOf2,
      .group = integers ? w.group_size : kernels::kScaleBlock,
      .bits = w.bits,
  };
  args.out =
      scope.alloc<u8>(panels, ctx.isa().prefill_linear->panel_bytes(args.form, args.k_padded))
          .data();
  if (args.form != kernels::PanelForm::kBf16) {
    args.scale = scope.alloc<float>(panels, kernels::panel_scales(in, args.group)).data();
  }
  return args;
}

PreparedInput PreparedInput::rows(i64 begin, i64 count) const {
  PreparedInput part = *this;
  part.data = static_cast<const u8*>(data) + begin * stride * element_bytes();
  if (scale != nullptr) part.scale = scale + begin * scale_stride;
  part.tokens = count;
  return part;
}

i64 prepared_stride(i64 in, bool is_bf16) {
  // A line more than the columns: rows a power of two apart would share a few sets of the cache.
  return round_up(in, kernels::kScaleBlock) + (is_bf16 ? 32 : 16);
}

PreparedInput prepare_input(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                            const MatRef& w, LinearMode mode) {
  if (wants_panels(ctx, w, mode)) {
    const std::array<i64, 2> all = {0, x.dim(0)};
    return prepare_groups(ctx, scope, x, {}, {all.data(), {2}}, w, mode).front();
  }
  const DType dtype = w.dtype;
  const Activations activations = mode.activations;
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  PreparedInput p{.data = x.data(), .stride = x.stride(0), .tokens = x.dim(0), .in = x.dim(1)};
  const bool as_it_is = dtype == DType::kF32 || activations == Activations::kF32;
  if (as_it_is && p.tokens <= kReadBoundTokens) return p;
  if (w.bits != 0 && activations == Activations::kInt8) return to_int8(ctx, scope, x, w);

  const bool is_bf16 = !as_it_is && ctx.isa().bf16_dot && w.bits == 0;
  if (is_bf16) p.form = PreparedInput::Form::kBf16;
  p.stride = prepared_stride(p.in, is_bf16);
  void* out = is_bf16 ? static_cast<void*>(scope.alloc<u16>(p.tokens, p.stride).data())
                      : static_cast<void*>(scope.alloc<float>(p.tokens, p.stride).data());
  p.data = out;
  if (as_it_is) {
    copy_rows(ctx, x, static_cast<float*>(out), p.stride);
  } else if (!quantises(dtype, activations)) {
    round_rows(ctx, x, out, p.stride, is_bf16);
  } else {
    p.scale_stride = ceil_div(p.in, kernels::kScaleBlock);
    float* scale = scope.alloc<float>(p.tokens, p.scale_stride).data();
    p.scale = scale;
    const kernels::QuantizeTilesArgs args{.x = x.data(),
                                          .x_stride = x.stride(0),
                                          .out = out,
                                          .out_stride = p.stride,
                                          .out_is_bf16 = is_bf16,
                                          .power_of_2 = activations == Activations::kFp8PowerOf2,
                                          .scale = scale,
                                          .scale_stride = p.scale_stride,
                                          .cols = p.in};
    ctx.for_rows(p.tokens, p.in, [&](i64 begin, i64 end) {
      ctx.isa().quantize->quantize_tile_rows(args, begin, end);
    });
  }
  return p;
}

std::span<PreparedInput> prepare_groups(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                                        View<const i32, 1> ids, View<const i64, 1> begin,
                                        const MatRef& w, LinearMode mode) {
  if (wants_panels(ctx, w, mode)) return to_panels(ctx, scope, x, ids, begin, w, mode);
  const i64 groups = begin.dim(0) - 1;
  const std::span<PreparedInput> result(scope.alloc<PreparedInput>(groups).data(),
                                        static_cast<size_t>(groups));
  PreparedInput all = prepare_input(ctx, scope, x, w, mode);
  if (!ids.empty()) all = gather_rows(ctx, scope, all, ids);
  for (i64 g = 0; g < groups; ++g) {
    result[static_cast<size_t>(g)] = all.rows(begin(g), begin(g + 1) - begin(g));
  }
  return result;
}

}  // namespace fathom::ops
