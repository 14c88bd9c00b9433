#include "ops/gemm.h"

#include <algorithm>

#include "base/checked_math.h"
#include "kernels/cpu/gemm/gemm_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "ops/checks.h"
#include "ops/shared_units.h"

namespace fathom::ops {
namespace {

using kernels::GemmArgs;
using kernels::cpu::GemmBlocks;

/// Multiplications that are worth waking a thread.
constexpr i64 kThreadProducts = i64{1} << 19;

std::string shape_of(const PackedMatrix& p) {
  return "[" + std::to_string(p.rows) + ", " + std::to_string(p.k) + "]";
}

void check_job(const GemmJob& job, const GemmAccumulator& accumulator) {
  const PackedMatrix &a = job.a, &b = job.b;
  FATHOM_CHECK(a.k == b.k && a.k_padded == b.k_padded && a.is_bf16 == b.is_bf16 &&
                   (a.scale == nullptr) == (b.scale == nullptr),
               "gemm: a ", shape_of(a), " and b ", shape_of(b),
               " must share K and have been rounded alike");
  FATHOM_CHECK(!b.in_rows, "gemm: b ", shape_of(b), " was packed to be an a");
  FATHOM_CHECK(job.c.dim(0) == a.rows && job.c.dim(1) == b.rows, "gemm: c ", job.c, " vs a ",
               shape_of(a), " and b ", shape_of(b));
  FATHOM_CHECK(last_axis_contiguous(job.c), "gemm: rows of c ", job.c, " must be contiguous");
  FATHOM_CHECK(accumulator.promotion_interval >= 2 && accumulator.promotion_interval % 2 == 0 &&
                   accumulator.mantissa_bits >= 1 && accumulator.mantissa_bits <= 23,
               "gemm: promotion interval ", accumulator.promotion_interval, ", mantissa bits ",
               accumulator.mantissa_bits);
}

GemmArgs args_of(const GemmJob& job, const GemmAccumulator& accumulator) {
  return {.a = job.a.data,
          .a_in_rows = job.a.in_rows,
          .a_scale = job.a.scale,
          .m = job.a.rows,
          .b = job.b.data,
          .b_scale = job.b.scale,
          .n = job.b.rows,
          .k = job.a.k,
          .k_padded = job.a.k_padded,
          .is_bf16 = job.a.is_bf16,
          .c = job.c.data(),
          .c_stride = job.c.stride(0),
          .accumulate = job.accumulate,
          .promotion_interval = accumulator.promotion_interval,
          .mantissa_bits = accumulator.mantissa_bits};
}

/// The blocks of all jobs' c, numbered job by job.
struct Blocks {
  i64 rows, cols;

  i64 of(const GemmJob& job) const {
    return ceil_div(job.a.rows, rows) * ceil_div(job.b.rows, cols);
  }
  i64 of(std::span<const GemmJob> jobs) const {
    i64 count = 0;
    for (const GemmJob& job : jobs) count += of(job);
    return count;
  }
};

/// Blocks small enough that all threads have work. Their size changes no result.
Blocks blocks_for(std::span<const GemmJob> jobs, i64 workers, const GemmBlocks& of_table) {
  Blocks blocks{.rows = of_table.rows, .cols = of_table.cols};
  while (workers > 1 && blocks.of(jobs) < 4 * workers && blocks.cols > of_table.least_cols) {
    blocks.cols /= 2;
  }
  while (workers > 1 && blocks.of(jobs) < 2 * workers && blocks.rows > of_table.least_rows) {
    blocks.rows /= 2;
  }
  return blocks;
}

i64 workers_for(std::span<const GemmJob> jobs) {
  i64 products = 0;
  for (const GemmJob& job : jobs) products += job.a.rows * job.b.rows * job.a.k;
  return std::clamp<i64>(products / kThreadProducts, 1, num_threads());
}

}  // namespace

void gemm(Ctx& ctx, std::span<const GemmJob> jobs, const GemmAccumulator& accumulator) {
  require_cpu(ctx, "gemm");
  for (const GemmJob& job : jobs) check_job(job, accumulator);
  const i64 workers = workers_for(jobs);
  const Blocks blocks = blocks_for(jobs, workers, ctx.isa().gemm->blocks);
  Workspace::Scope scope(ctx.workspace());
  const View<i64, 1> ends = scope.alloc<i64>(std::ssize(jobs));  // block number after each job
  i64 count = 0;
  for (size_t i = 0; i < jobs.size(); ++i) ends.data()[i] = count += blocks.of(jobs[i]);

  for_units(count, workers, [&](i64, i64 unit) {
    const i64 index = std::upper_bound(ends.data(), ends.data() + ends.size(), unit) - ends.data();
    const GemmJob& job = jobs[static_cast<size_t>(index)];
    const i64 first = index > 0 ? ends.data()[index - 1] : 0;
    const i64 block_cols = ceil_div(job.b.rows, blocks.cols);
    const i64 m = (unit - first) / block_cols * blocks.rows;
    const i64 n = (unit - first) % block_cols * blocks.cols;
    ctx.isa().gemm->gemm_block(args_of(job, accumulator), m, std::min(job.a.rows, m + blocks.rows),
                               n, std::min(job.b.rows, n + blocks.cols));
  });
}

}  // namespace fathom::ops
