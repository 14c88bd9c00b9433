#include <algorithm>

#include "backend/cpu/table.h"
#include "base/checked_math.h"
#include "base/parallel.h"
#include "kernels/cpu/gemm/gemm_table.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::backend::cpu {
namespace {

using device::GemmAccumulator;
using device::GemmJob;
using kernels::GemmArgs;
using kernels::cpu::GemmBlocks;

/// Multiplications that are worth waking a thread.
constexpr i64 kThreadProducts = i64{1} << 19;

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

/// One thread's next block of c, on the job that it belongs to.
void run_block(Ctx& ctx, const GemmJob& job, const GemmAccumulator& accumulator,
               const Blocks& blocks, i64 block) {
  const i64 block_cols = ceil_div(job.b.rows, blocks.cols);
  const i64 m = block / block_cols * blocks.rows, n = block % block_cols * blocks.cols;
  ctx.isa().gemm->gemm_block(args_of(job, accumulator), m, std::min(job.a.rows, m + blocks.rows), n,
                             std::min(job.b.rows, n + blocks.cols));
}

void gemm(Ctx& ctx, const device::Gemm& op) {
  const i64 workers = workers_for(op.jobs);
  const Blocks blocks = blocks_for(op.jobs, workers, ctx.isa().gemm->blocks);
  Workspace::Scope scope(ctx.workspace());
  const View<i64, 1> ends = scope.alloc<i64>(std::ssize(op.jobs));  // block number after each job
  i64 count = 0;
  for (size_t i = 0; i < op.jobs.size(); ++i) ends.data()[i] = count += blocks.of(op.jobs[i]);

  parallel_for_each(count, workers, [&](i64, i64 block) {
    const i64 index = std::upper_bound(ends.data(), ends.data() + ends.size(), block) - ends.data();
    const i64 first = index > 0 ? ends.data()[index - 1] : 0;
    run_block(ctx, op.jobs[static_cast<size_t>(index)], op.accumulator, blocks, block - first);
  });
}

}  // namespace

void set_gemm(device::OpTable& table) { table.set(gemm); }

}  // namespace fathom::backend::cpu
