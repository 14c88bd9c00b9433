#include "ops/linear.h"

#include <algorithm>

#include "base/checked_math.h"
#include "base/error.h"
#include "kernels/cpu/isa_table.h"
#include "ops/checks.h"
#include "ops/linear_batch.h"
#include "tensor/fp8.h"

namespace fathom::ops {
namespace {

using kernels::LinearArgs;
using kernels::cpu::kLinearRowGrain;

/// Tokens below which a product costs the reading of its weights, not its arithmetic.
constexpr i64 kReadBoundTokens = 8;
/// Multiplications that are worth waking a thread.
constexpr i64 kThreadProducts = i64{1} << 16;

void check_shapes(const PreparedInput& x, const MatRef& w, const View<float, 2>& y) {
  FATHOM_CHECK(x.in == w.cols, "x [", x.tokens, ", ", x.in, "] vs weight ", w);
  FATHOM_CHECK(y.dim(0) == x.tokens && y.dim(1) == w.rows, "y ", y, " vs x [", x.tokens, ", ", x.in,
               "] and weight ", w);
  FATHOM_CHECK(last_axis_contiguous(y), "rows of y ", y, " must be contiguous");
}

LinearArgs job_args(const LinearJob& job) {
  return {.x = job.x.data,
          .x_stride = job.x.stride,
          .x_is_bf16 = job.x.is_bf16,
          .x_scale = job.x.scale,
          .x_scale_stride = job.x.scale_stride,
          .w = job.w.data,
          .w_type = weight_type(job.w, "linear_forward"),
          .w_scale = job.w.scale,
          .w_scale_stride = job.w.scale_stride,
          .w_row_offset = job.w.row_offset,
          .y = job.y.data(),
          .y_stride = job.y.stride(0),
          .tokens = job.x.tokens,
          .in = job.x.in};
}

/// What a row of weights costs, in arbitrary units.
i64 row_cost(const LinearJob& job) {
  return std::max(job.x.tokens, kReadBoundTokens) * std::max<i64>(job.x.in, 1);
}

/// The jobs cut into `parts` of about equal cost. Where the cuts lie changes no result: each y[t,
/// o] is computed by itself.
class Partition {
 public:
  Partition(std::span<const LinearJob> jobs, i64 parts) : jobs_(jobs), parts_(parts) {
    for (const LinearJob& job : jobs) total_ += job.w.rows * row_cost(job);
  }

  /// fn(job index, row begin, row end) for each piece of `part`.
  template <typename Fn>
  void for_pieces(i64 part, Fn&& fn) const {
    const i64 begin = cut(part), end = cut(part + 1);
    i64 job_begin = 0;
    for (size_t i = 0; i < jobs_.size(); ++i) {
      const i64 cost = row_cost(jobs_[i]), rows = jobs_[i].w.rows;
      const i64 first = row_at(begin - job_begin, cost, rows);
      const i64 last = row_at(end - job_begin, cost, rows);
      if (first < last) fn(i, first, last);
      job_begin += rows * cost;
    }
  }

 private:
  // total_ / parts_ first: the product may be large, and equal parts to within `parts_` will do.
  i64 cut(i64 part) const { return part == parts_ ? total_ : total_ / parts_ * part; }

  /// The row at `offset` cost units into a job: a multiple of the grain, or the end.
  static i64 row_at(i64 offset, i64 cost, i64 rows) {
    if (offset <= 0) return 0;
    if (offset >= rows * cost) return rows;
    return offset / cost / kLinearRowGrain * kLinearRowGrain;
  }

  std::span<const LinearJob> jobs_;
  i64 parts_;
  i64 total_ = 0;
};

i64 parts_for(std::span<const LinearJob> jobs) {
  i64 products = 0, groups = 0;
  for (const LinearJob& job : jobs) {
    products += job.x.tokens * job.w.rows * job.w.cols;
    groups += ceil_div(job.w.rows, kLinearRowGrain);
  }
  const i64 useful = std::min(groups, ceil_div(products, kThreadProducts));
  return std::clamp<i64>(useful, 1, num_threads());
}

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

/// out = x rounded to BF16, held as bf16 or f32.
void round_rows(Ctx& ctx, View<const float, 2> x, void* out, i64 out_stride, bool is_bf16) {
  const kernels::RoundBf16Args args{.x = x.data(),
                                    .x_stride = x.stride(0),
                                    .out = out,
                                    .out_stride = out_stride,
                                    .out_is_bf16 = is_bf16,
                                    .cols = x.dim(1)};
  ctx.for_rows(x.dim(0), x.dim(1),
               [&](i64 begin, i64 end) { ctx.isa().round_bf16_rows(args, begin, end); });
}

}  // namespace

kernels::WeightType weight_type(const MatRef& w, const char* op) {
  switch (w.dtype) {
    case DType::kF32:
      return kernels::WeightType::kF32;
    case DType::kBF16:
      return kernels::WeightType::kBf16;
    case DType::kF8E4M3:
      FATHOM_CHECK(w.scale != nullptr, op, ": weight ", w, " has no block scales");
      FATHOM_CHECK(w.row_offset >= 0 && w.row_offset < kFp8Block, op, ": row offset ", w.row_offset,
                   " of weight ", w);
      return kernels::WeightType::kFp8E4m3;
    default:
      throw Error(ErrorCode::kUnsupported, std::string(op) + ": weight " + to_string(w) +
                                               " is stored in a type without kernels (F32, BF16 "
                                               "and F8_E4M3 have them)");
  }
}

PreparedInput PreparedInput::rows(i64 begin, i64 count) const {
  PreparedInput part = *this;
  part.data = static_cast<const u8*>(data) + begin * stride * (is_bf16 ? 2 : 4);
  if (scale != nullptr) part.scale = scale + begin * scale_stride;
  part.tokens = count;
  return part;
}

i64 prepared_stride(i64 in, bool is_bf16) {
  // A line more than the columns: rows a power of two apart would share a few sets of the cache.
  return round_up(in, kernels::kScaleBlock) + (is_bf16 ? 32 : 16);
}

PreparedInput prepare_input(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x, DType dtype,
                            Activations activations) {
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  PreparedInput p{.data = x.data(), .stride = x.stride(0), .tokens = x.dim(0), .in = x.dim(1)};
  const bool as_it_is = dtype == DType::kF32 || activations == Activations::kF32;
  if (as_it_is && p.tokens <= kReadBoundTokens) return p;

  p.is_bf16 = !as_it_is && ctx.isa().bf16_dot;
  p.stride = prepared_stride(p.in, p.is_bf16);
  void* out = p.is_bf16 ? static_cast<void*>(scope.alloc<u16>(p.tokens, p.stride).data())
                        : static_cast<void*>(scope.alloc<float>(p.tokens, p.stride).data());
  p.data = out;
  if (as_it_is) {
    copy_rows(ctx, x, static_cast<float*>(out), p.stride);
  } else if (!quantises(dtype, activations)) {
    round_rows(ctx, x, out, p.stride, p.is_bf16);
  } else {
    p.scale_stride = ceil_div(p.in, kernels::kScaleBlock);
    float* scale = scope.alloc<float>(p.tokens, p.scale_stride).data();
    p.scale = scale;
    const kernels::QuantizeTilesArgs args{.x = x.data(),
                                          .x_stride = x.stride(0),
                                          .out = out,
                                          .out_stride = p.stride,
                                          .out_is_bf16 = p.is_bf16,
                                          .power_of_2 = activations == Activations::kFp8PowerOf2,
                                          .scale = scale,
                                          .scale_stride = p.scale_stride,
                                          .cols = p.in};
    ctx.for_rows(p.tokens, p.in,
                 [&](i64 begin, i64 end) { ctx.isa().quantize_tile_rows(args, begin, end); });
  }
  return p;
}

void run_linear_jobs(Ctx& ctx, std::span<const LinearJob> jobs) {
  i64 scratch_bytes = 0;
  for (const LinearJob& job : jobs) {
    check_shapes(job.x, job.w, job.y);
    scratch_bytes = std::max(scratch_bytes, ctx.isa().linear_scratch_bytes(job_args(job)));
  }
  scratch_bytes = round_up(scratch_bytes, 64);
  const i64 parts = parts_for(jobs);
  const Partition partition(jobs, parts);
  Workspace::Scope scope(ctx.workspace());
  u8* scratch = scope.alloc<u8>(parts * scratch_bytes).data();
  parallel_for(parts, 1, [&](i64 begin, i64 end) {
    for (i64 part = begin; part < end; ++part) {
      partition.for_pieces(part, [&](size_t i, i64 first, i64 last) {
        ctx.isa().linear_rows(job_args(jobs[i]), first, last, scratch + part * scratch_bytes);
      });
    }
  });
}

void linear_forward(Ctx& ctx, View<const float, 2> x, const MatRef& w, View<float, 2> y,
                    Activations activations) {
  require_cpu(ctx, "linear_forward");
  Workspace::Scope scope(ctx.workspace());
  const LinearJob job{prepare_input(ctx, scope, x, w.dtype, activations), w, y};
  run_linear_jobs(ctx, {&job, 1});
}

void linear_transposed_forward(Ctx& ctx, View<const float, 2> x, const MatRef& w, View<float, 2> y,
                               Activations activations) {
  require_cpu(ctx, "linear_transposed_forward");
  FATHOM_CHECK(x.dim(1) == w.rows, "x ", x, " vs weight ", w);
  FATHOM_CHECK(y.dim(0) == x.dim(0) && y.dim(1) == w.cols, "y ", y, " vs x ", x, " and weight ", w);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(y), "rows of x ", x, " and y ", y,
               " must be contiguous");
  Workspace::Scope scope(ctx.workspace());
  const float* data = x.data();
  i64 stride = x.stride(0);
  if (w.dtype != DType::kF32 && activations != Activations::kF32) {
    stride = x.dim(1);
    float* rounded = scope.alloc<float>(x.dim(0), stride).data();
    round_rows(ctx, x, rounded, stride, /*is_bf16=*/false);
    data = rounded;
  }
  const kernels::LinearTransposedArgs args{.x = data,
                                           .x_stride = stride,
                                           .w = w.data,
                                           .w_type = weight_type(w, "linear_transposed_forward"),
                                           .w_scale = w.scale,
                                           .w_scale_stride = w.scale_stride,
                                           .w_row_offset = w.row_offset,
                                           .y = y.data(),
                                           .y_stride = y.stride(0),
                                           .tokens = x.dim(0),
                                           .out = w.rows,
                                           .in = w.cols};
  const i64 col_products = x.dim(0) * w.rows;
  const i64 grain = round_up(std::max<i64>(1, kThreadProducts / std::max<i64>(1, col_products)),
                             kernels::cpu::kTransposedColGrain);
  parallel_for(w.cols, grain,
               [&](i64 begin, i64 end) { ctx.isa().linear_transposed_cols(args, begin, end); });
}

}  // namespace fathom::ops
