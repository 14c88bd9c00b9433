#include "cli/train/train_dry_run.h"

#include <fmt/format.h>

#include "backend/backend.h"
#include "base/parallel.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/train/train_progress.h"
#include "io/json.h"
#include "ops/gemm/gemm_peak.h"
#include "plan/training/cpu_run.h"
#include "tensor/buffer.h"

namespace fathom::cli {
namespace {

struct DryRun {
  train::RunCost cost;
  double peak_flops_per_s = 0.0;
  double total_flops = 0.0;
  plan::CpuRun time;
  i64 free_bytes = 0;
};

DryRun dry_run(const train::RunSetup& setup) {
  Ctx ctx = backend::make_context();
  DryRun result;
  result.free_bytes = free_memory_bytes();
  result.cost =
      train::run_cost(ctx, setup, setup.config.train.micro_batch_sequences, result.free_bytes);
  result.peak_flops_per_s = ops::gemm_peak_flops_per_s(ctx);
  result.total_flops = result.cost.total_flops(setup.plan);
  // With the usual share of the peak: printed beside the bound, never as a promise.
  result.time =
      plan_cpu_run({.gemm_gflops = result.peak_flops_per_s / 1e9}, plan::Flops(result.total_flops));
  return result;
}

void print_batch(const train::RunSetup& setup, const train::RunCost& cost) {
  const TrainSection& section = setup.config.train;
  out::print("batch              {} sequences of {} tokens, {} in memory at a time\n",
             section.batch_sequences, setup.plan.seq_len(), cost.micro_batch_sequences);
  if (section.batch_start_sequences > 0) {
    out::print("                   growing from {} over the first {} tokens\n",
               section.batch_start_sequences, format_count(section.batch_ramp_tokens));
  }
}

void print_text(const train::RunSetup& setup, const DryRun& run) {
  const plan::ModelSize& size = run.cost.size;
  out::print("parameters         {} in all, {} active a token", format_count(size.total),
             format_count(size.active));
  if (size.mtp > 0) out::print(", and {} of MTP", format_count(size.mtp));
  out::print("\ntokens             {} in {} steps\n", format_count(setup.plan.tokens()),
             setup.plan.steps());
  print_batch(setup, run.cost);
  const plan::TrainingFlops& flops = run.cost.flops;
  out::print("operations a token {:.3e}: matrices {:.3e}, attention {:.3e}, MTP {:.3e}\n",
             flops.per_token(), flops.matrices, flops.attention, flops.mtp);
  out::print("operations in all  {:.3e}\n", run.total_flops);
  out::print(
      "time               at least {} at the {:.1f} GFLOP/s that {} threads reach here; "
      "about {} at half of it\n",
      format_duration(run.time.least.value), run.peak_flops_per_s / 1e9, num_threads(),
      format_duration(run.time.expected.value));
  out::print("memory             {} are free\n{}", format_bytes(run.free_bytes),
             train::format_memory(run.cost.memory));
  if (run.cost.memory.total() > run.free_bytes) {
    out::print("This run does not fit in the memory of this machine.\n");
  }
}

void print_json(const train::RunSetup& setup, const DryRun& run) {
  io::JsonObject object;
  object.set("parameters", run.cost.size.total);
  object.set("active_parameters", run.cost.size.active);
  object.set("mtp_parameters", run.cost.size.mtp);
  object.set("tokens", setup.plan.tokens());
  object.set("steps", setup.plan.steps());
  object.set("micro_batch_sequences", run.cost.micro_batch_sequences);
  object.set("flops_per_token", run.cost.flops.per_token());
  object.set("flops", run.total_flops);
  object.set("peak_flops_per_s", run.peak_flops_per_s);
  object.set("least_seconds", run.time.least.value);
  object.set("memory_bytes", run.cost.memory.total());
  object.set("activation_bytes", run.cost.memory.activations());
  object.set("free_bytes", run.free_bytes);
  io::JsonArray rows;
  for (const auto& row : run.cost.memory.rows) {
    io::JsonObject entry;
    entry.set("what", row.what);
    entry.set("bytes", row.bytes);
    rows.emplace_back(std::move(entry));
  }
  object.set("memory", std::move(rows));
  out::print("{}\n", io::write_json(std::move(object), 2));
}

}  // namespace

void print_dry_run(const train::RunSetup& setup, bool json) {
  const DryRun run = dry_run(setup);
  if (json) {
    print_json(setup, run);
  } else {
    print_text(setup, run);
  }
}

}  // namespace fathom::cli
