#include "ops/linear.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked_math.h"
#include "base/error.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/linear/linear_table.h"
#include "kernels/cpu/prefill_linear/prefill_linear_table.h"
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
/// A product of prompts is cut into more parts than threads, of so many multiplications or more:
/// whoever is free takes the next, because other programs may hold a core. Decoding keeps a part a
/// thread, whose weights lie near its core.
constexpr i64 kPartProducts = i64{1} << 24;
constexpr i64 kThreadParts = 4;

void check_shapes(const PreparedInput& x, const MatRef& w, const View<float, 2>& y) {
  FATHOM_CHECK(x.in == w.cols, "x [", x.tokens, ", ", x.in, "] vs weight ", w);
  FATHOM_CHECK(y.dim(0) == x.tokens && y.dim(1) == w.rows, "y ", y, " vs x [", x.tokens, ", ", x.in,
               "] and weight ", w);
  FATHOM_CHECK(last_axis_contiguous(y), "rows of y ", y, " must be contiguous");
}

LinearArgs job_args(const LinearJob& job) {
  return {.x = job.x.data,
          .x_stride = job.x.stride,
          .x_is_bf16 = job.x.is_bf16(),
          .x_scale = job.x.scale,
          .x_scale_stride = job.x.scale_stride,
          .w = job.w.data,
          .w_type = weight_type(job.w, "linear_forward"),
          .w_scale = job.w.scale,
          .w_scale_stride = job.w.scale_stride,
          .w_row_offset = job.w.row_offset,
          .w_groups = group_scales(job.w),
          .y = job.y.data(),
          .y_stride = job.y.stride(0),
          .tokens = job.x.tokens,
          .in = job.x.in};
}

kernels::PackedLinearArgs packed_args(const LinearJob& job) {
  return {.x = static_cast<const u8*>(job.x.data),
          .x_stride = job.x.stride,
          .w = static_cast<const u8*>(job.w.data),
          .w_stride = job.w.row_bytes(),
          .scale = job.w.group_scale,
          .scale_stride = job.w.group_stride,
          .y = job.y.data(),
          .y_stride = job.y.stride(0),
          .tokens = job.x.tokens,
          .in = job.x.in,
          .group = job.w.group_size,
          .bits = job.w.bits};
}

/// Rows [first, last) of one job's weight.
void run_rows(Ctx& ctx, const LinearJob& job, i64 first, i64 last, u8* scratch) {
  switch (job.x.form) {
    case PreparedInput::Form::kCodes:
      return ctx.isa().linear->integer_linear_rows(packed_args(job), first, last);
    case PreparedInput::Form::kPanels:
      return ctx.isa().prefill_linear->panel_linear_rows(panel_args(job), first, last, scratch);
    case PreparedInput::Form::kF32:
    case PreparedInput::Form::kBf16:
      return ctx.isa().linear->linear_rows(job_args(job), first, last, scratch);
  }
}

i64 scratch_bytes_of(Ctx& ctx, const LinearJob& job) {
  switch (job.x.form) {
    case PreparedInput::Form::kCodes:
      return 0;
    case PreparedInput::Form::kPanels:
      return kernels::panel_scratch_bytes(kernels::panel_k_padded(job.x.in), job.x.tokens);
    case PreparedInput::Form::kF32:
    case PreparedInput::Form::kBf16:
      break;
  }
  return ctx.isa().linear->linear_scratch_bytes(job_args(job));
}

/// What a row of weights costs, in arbitrary units.
i64 row_cost(const LinearJob& job) {
  return std::max(job.x.tokens, kReadBoundTokens) * std::max<i64>(job.x.in, 1);
}

/// Rows that a cut leaves together: those that are decoded at once, or the kernel's tile.
i64 row_grain(const LinearJob& job) {
  return job.x.form == PreparedInput::Form::kPanels ? kernels::kPanelRowBlock : kLinearRowGrain;
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
      const i64 grain = row_grain(jobs_[i]);
      const i64 first = row_at(begin - job_begin, cost, rows, grain);
      const i64 last = row_at(end - job_begin, cost, rows, grain);
      if (first < last) fn(i, first, last);
      job_begin += rows * cost;
    }
  }

 private:
  // total_ / parts_ first: the product may be large, and equal parts to within `parts_` will do.
  i64 cut(i64 part) const { return part == parts_ ? total_ : total_ / parts_ * part; }

  /// The row at `offset` cost units into a job: a multiple of the grain, or the end.
  static i64 row_at(i64 offset, i64 cost, i64 rows, i64 grain) {
    if (offset <= 0) return 0;
    if (offset >= rows * cost) return rows;
    return offset / cost / grain * grain;
  }

  std::span<const LinearJob> jobs_;
  i64 parts_;
  i64 total_ = 0;
};

i64 parts_for(std::span<const LinearJob> jobs) {
  i64 products = 0, groups = 0;
  for (const LinearJob& job : jobs) {
    products += job.x.tokens * job.w.rows * job.w.cols;
    groups += ceil_div(job.w.rows, row_grain(job));
  }
  const i64 useful = std::min(groups, ceil_div(products, kThreadProducts));
  const i64 threads = std::clamp<i64>(useful, 1, available_threads());
  if (threads == 1) return 1;
  return std::clamp(std::min(groups, products / kPartProducts), threads, kThreadParts * threads);
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
    case DType::kI32:
      FATHOM_CHECK(w.bits == 4 || w.bits == 8, op, ": weight ", w);
      FATHOM_CHECK(w.group_scale != nullptr && (w.group_size == 32 || w.group_size == 128), op,
                   ": weight ", w, " has no scales for its groups");
      return w.bits == 8 ? kernels::WeightType::kInt8 : kernels::WeightType::kInt4;
    default:
      throw Error(ErrorCode::kUnsupported, std::string(op) + ": weight " + to_string(w) +
                                               " is stored in a type without kernels (F32, BF16, "
                                               "F8_E4M3 and packed integers have them)");
  }
}

kernels::GroupScales group_scales(const MatRef& w) {
  return {w.group_scale, w.group_stride, w.group_size};
}

kernels::PanelLinearArgs panel_args(const LinearJob& job) {
  return {.x = static_cast<const u8*>(job.x.data),
          .x_scale = job.x.scale,
          .form = job.x.panel_form,
          .tokens = job.x.tokens,
          .in = job.x.in,
          .k_padded = kernels::panel_k_padded(job.x.in),
          .w = job.w.data,
          .w_type = weight_type(job.w, "linear_forward"),
          .w_scale = job.w.scale,
          .w_scale_stride = job.w.scale_stride,
          .w_row_offset = job.w.row_offset,
          .w_groups = group_scales(job.w),
          .y = job.y.data(),
          .y_stride = job.y.stride(0)};
}

void run_linear_jobs(Ctx& ctx, std::span<const LinearJob> jobs) {
  i64 scratch_bytes = 0;
  for (const LinearJob& job : jobs) {
    check_shapes(job.x, job.w, job.y);
    scratch_bytes = std::max(scratch_bytes, scratch_bytes_of(ctx, job));
  }
  scratch_bytes = round_up(scratch_bytes, 64);
  const i64 parts = parts_for(jobs), threads = std::min<i64>(parts, available_threads());
  const Partition partition(jobs, parts);
  Workspace::Scope scope(ctx.workspace());
  u8* scratch = scope.alloc<u8>(threads * scratch_bytes).data();
  const auto run_part = [&](i64 thread, i64 part) {
    partition.for_pieces(part, [&](size_t i, i64 first, i64 last) {
      run_rows(ctx, jobs[i], first, last, scratch + thread * scratch_bytes);
    });
  };
  if (parts > threads) return parallel_for_each(parts, run_part);
  parallel_for(parts, 1, [&](i64 begin, i64 end) {
    for (i64 part = begin; part < end; ++part) run_part(part, part);
  });
}

void linear_forward(Ctx& ctx, View<const float, 2> x, const MatRef& w, View<float, 2> y,
                    LinearMode mode) {
  require_cpu(ctx, "linear_forward");
  Workspace::Scope scope(ctx.workspace());
  const LinearJob job{prepare_input(ctx, scope, x, w, mode), w, y};
  run_linear_jobs(ctx, {&job, 1});
}

namespace {

/// x [tokens, heads, dim] as [tokens * heads, dim].
View<const float, 2> head_rows(const View<const float, 3>& x) {
  FATHOM_CHECK(x.stride(2) == 1 && (x.dim(0) <= 1 || x.stride(0) == x.dim(1) * x.stride(1)),
               "the heads of x ", x, " must be equally spaced");
  return {x.data(), {x.dim(0) * x.dim(1), x.dim(2)}, {x.stride(1), 1}};
}

}  // namespace

void linears_forward(Ctx& ctx, View<const float, 2> x, std::span<const LinearOutput> outputs,
                     LinearMode mode) {
  require_cpu(ctx, "linears_forward");
  Workspace::Scope scope(ctx.workspace());
  LinearJob* jobs = scope.alloc<LinearJob>(std::ssize(outputs)).data();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const bool alike = i > 0 && outputs[i].w.same_type(outputs[i - 1].w);
    jobs[i] = {alike ? jobs[i - 1].x : prepare_input(ctx, scope, x, outputs[i].w, mode),
               outputs[i].w, outputs[i].y};
  }
  run_linear_jobs(ctx, {jobs, outputs.size()});
}

void linear_heads_forward(Ctx& ctx, View<const float, 3> x, const MatRef& w, const HeadBands& bands,
                          View<float, 3> y, Activations activations) {
  require_cpu(ctx, "linear_heads_forward");
  const i64 tokens = x.dim(0), heads = x.dim(1);
  FATHOM_CHECK(y.dim(0) == tokens && y.dim(1) == heads && y.dim(2) == bands.count, "y ", y,
               " vs x ", x, " and bands of ", bands.count, " rows");
  Workspace::Scope scope(ctx.workspace());
  // Row t * heads + h of the prepared input is head h of token t.
  const PreparedInput all = prepare_input(ctx, scope, head_rows(x), w, activations);
  LinearJob* jobs = scope.alloc<LinearJob>(heads).data();
  for (i64 h = 0; h < heads; ++h) {
    PreparedInput head = all.rows(h, tokens);
    head.stride *= heads;
    head.scale_stride *= heads;
    jobs[h] = {head,
               w.row_slice(h * bands.step + bands.first, bands.count),
               {y.data() + h * y.stride(1), {tokens, bands.count}, {y.stride(0), y.stride(2)}}};
  }
  run_linear_jobs(ctx, {jobs, static_cast<size_t>(heads)});
}

namespace {

/// x as a product with transposed weights sees it: rounded to BF16 unless w is f32 or it is asked
/// not to be.
View<const float, 2> rounded_rows(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                                  const MatRef& w, Activations activations) {
  if (w.dtype == DType::kF32 || activations == Activations::kF32) return x;
  const auto rounded = scope.alloc<float>(x.dim(0), x.dim(1));
  round_rows(ctx, x, rounded.data(), x.dim(1), /*is_bf16=*/false);
  return rounded;
}

kernels::LinearTransposedArgs transposed_args(View<const float, 2> x, const MatRef& w,
                                              View<float, 2> y) {
  return {.x = x.data(),
          .x_stride = x.stride(0),
          .w = w.data,
          .w_type = weight_type(w, "linear_transposed_forward"),
          .w_scale = w.scale,
          .w_scale_stride = w.scale_stride,
          .w_row_offset = w.row_offset,
          .w_groups = group_scales(w),
          .y = y.data(),
          .y_stride = y.stride(0),
          .tokens = x.dim(0),
          .out = w.rows,
          .in = w.cols};
}

}  // namespace

void linear_transposed_forward(Ctx& ctx, View<const float, 2> x, const MatRef& w, View<float, 2> y,
                               Activations activations) {
  require_cpu(ctx, "linear_transposed_forward");
  FATHOM_CHECK(x.dim(1) == w.rows, "x ", x, " vs weight ", w);
  FATHOM_CHECK(y.dim(0) == x.dim(0) && y.dim(1) == w.cols, "y ", y, " vs x ", x, " and weight ", w);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(y), "rows of x ", x, " and y ", y,
               " must be contiguous");
  Workspace::Scope scope(ctx.workspace());
  const auto args = transposed_args(rounded_rows(ctx, scope, x, w, activations), w, y);
  const i64 col_products = x.dim(0) * w.rows;
  const i64 grain = round_up(std::max<i64>(1, kThreadProducts / std::max<i64>(1, col_products)),
                             kernels::cpu::kTransposedColGrain);
  parallel_for(w.cols, grain, [&](i64 begin, i64 end) {
    ctx.isa().linear->linear_transposed_cols(args, begin, end);
  });
}

void linear_transposed_heads_forward(Ctx& ctx, View<const float, 3> x, const MatRef& w,
                                     const HeadBands& bands, View<float, 3> y,
                                     Activations activations) {
  require_cpu(ctx, "linear_transposed_heads_forward");
  const i64 tokens = x.dim(0), heads = x.dim(1);
  FATHOM_CHECK(
      x.dim(2) == bands.count && y.dim(0) == tokens && y.dim(1) == heads && y.dim(2) == w.cols,
      "x ", x, " and y ", y, " vs weight ", w, " in bands of ", bands.count, " rows");
  FATHOM_CHECK(last_axis_contiguous(y), "rows of y ", y, " must be contiguous");
  Workspace::Scope scope(ctx.workspace());
  const auto rows = rounded_rows(ctx, scope, head_rows(x), w, activations);
  // A unit is some columns of one head.
  const i64 blocks = ceil_div(w.cols, kernels::cpu::kTransposedColGrain);
  const i64 unit_products = tokens * bands.count * kernels::cpu::kTransposedColGrain;
  parallel_for(heads * blocks, ceil_div(kThreadProducts, std::max<i64>(unit_products, 1)),
               [&](i64 begin, i64 end) {
                 for (i64 h = begin / blocks; h * blocks < end; ++h) {
                   const auto args = transposed_args(
                       {rows.row(h), {tokens, bands.count}, {heads * rows.stride(0), 1}},
                       w.row_slice(h * bands.step + bands.first, bands.count),
                       {y.data() + h * y.stride(1), {tokens, w.cols}, {y.stride(0), 1}});
                   const i64 first = std::max<i64>(begin - h * blocks, 0);
                   const i64 last = std::min(end - h * blocks, blocks);
                   ctx.isa().linear->linear_transposed_cols(
                       args, first * kernels::cpu::kTransposedColGrain,
                       std::min(last * kernels::cpu::kTransposedColGrain, w.cols));
                 }
               });
}

}  // namespace fathom::ops
