#include "backend/cpu/linear/linear_jobs.h"

#include <algorithm>

#include "backend/cpu/linear/partition.h"
#include "backend/cpu/weight_type.h"
#include "base/checked_math.h"
#include "base/parallel.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/linear/linear_table.h"
#include "kernels/cpu/prefill_linear/prefill_linear_table.h"

namespace fathom::backend::cpu {
namespace {

kernels::LinearArgs linear_args(const LinearJob& job) {
  return {.x = job.x.data,
          .x_stride = job.x.stride,
          .x_is_bf16 = job.x.is_bf16(),
          .x_scale = job.x.scale,
          .x_scale_stride = job.x.scale_stride,
          .w = job.w.data,
          .w_type = weight_type(job.w),
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
          .scales = group_scales(job.w),
          .y = job.y.data(),
          .y_stride = job.y.stride(0),
          .tokens = job.x.tokens,
          .in = job.x.in,
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
      return ctx.isa().linear->linear_rows(linear_args(job), first, last, scratch);
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
  return ctx.isa().linear->linear_scratch_bytes(linear_args(job));
}

}  // namespace

kernels::PanelLinearArgs panel_args(const LinearJob& job) {
  return {.x = static_cast<const u8*>(job.x.data),
          .x_scale = job.x.scale,
          .x_sum = job.x.sum,
          .form = job.x.panel_form,
          .tokens = job.x.tokens,
          .in = job.x.in,
          .k_padded = kernels::panel_k_padded(job.x.in),
          .w = job.w.data,
          .w_type = weight_type(job.w),
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

}  // namespace fathom::backend::cpu
