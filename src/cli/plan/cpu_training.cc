#include "cli/plan/cpu_training.h"

#include "backend/backend.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/train/train_progress.h"
#include "config/run/run_file.h"
#include "io/json.h"
#include "plan/training/cpu_run.h"
#include "train/run/setup.h"

namespace fathom::cli {
namespace {

io::JsonObject json_of(const train::RunSetup& setup, const train::RunCost& cost,
                       const plan::CpuRun& step, const plan::CpuRun& run, i64 room) {
  io::JsonObject object;
  object.set("fits", cost.memory.total() <= room);
  object.set("memory_bytes", cost.memory.total());
  object.set("micro_batch_sequences", cost.micro_batch_sequences);
  object.set("steps", setup.plan.steps());
  object.set("step_s", step.expected.value);
  object.set("least_step_s", step.least.value);
  object.set("run_s", run.expected.value);
  object.set("bottleneck", "compute");
  return object;
}

}  // namespace

void print_cpu_training(const plan::Cluster& cluster, const std::string& run_file,
                        const std::vector<std::string>& settings, bool json) {
  RunConfig config;
  value_or_throw(read_run_file(run_file, settings, field_list(config)));
  const train::RunSetup setup = value_or_throw(train::load_run_setup(config));
  const Ctx ctx = backend::make_context();
  const auto room = static_cast<i64>(cluster.memory().value);
  const train::RunCost cost = run_cost(ctx, setup, setup.config.train.micro_batch_sequences, room);
  const i64 tokens = setup.config.train.batch_sequences * setup.plan.seq_len();
  const plan::CpuRun step =
      plan_cpu_run(cluster.cpu, plan::Flops(cost.flops.per_token() * static_cast<double>(tokens)));
  const plan::CpuRun run = plan_cpu_run(cluster.cpu, plan::Flops(cost.total_flops(setup.plan)));
  if (json) {
    out::print("{}\n", io::write_json(json_of(setup, cost, step, run, room), 2));
    return;
  }
  out::print("memory             {} of {}: {}\n{}", format_bytes(cost.memory.total()),
             format_bytes(room), cost.memory.total() <= room ? "fits" : "DOES NOT FIT",
             train::format_memory(cost.memory));
  out::print(
      "step               {:.3g} s for {} tokens: {:.3e} operations at {:.0f} % of {} GFLOP/s\n",
      step.expected.value, tokens, cost.flops.per_token() * static_cast<double>(tokens),
      cluster.cpu.training_frac * 100.0, cluster.cpu.gemm_gflops);
  out::print("run                {} steps in {}\n", setup.plan.steps(),
             format_duration(run.expected.value));
}

}  // namespace fathom::cli
