#include "cli/plan/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "cli/arguments/value_check.h"

namespace fathom::cli {
namespace {

double mean_seconds(const std::vector<plan::Seconds>& times) {
  double sum = 0.0;
  for (const plan::Seconds time : times) sum += time.value;
  return times.empty() ? 0.0 : sum / static_cast<double>(times.size());
}

/// A simulation holds the ends of all tasks of an operation for every GPU of a pipeline rank.
constexpr i64 kMostGpus = 1 << 17;
/// An operation is some dozens of events.
constexpr i64 kMostTracedOperations = 100'000;

io::JsonArray seconds_array(const std::vector<plan::Seconds>& times) {
  io::JsonArray array;
  for (const plan::Seconds time : times) array.emplace_back(time.value);
  return array;
}

}  // namespace

void add_simulation_options(Arguments& command, SimulationOptions& options) {
  command.add_flag("--simulate", options.simulate,
                   "Play the step GPU by GPU, and the run with failures");
  const auto with = [&](Option option) { option.needs(command.option("--simulate")); };
  with(command.add_option("--seed", options.seed, "Of the random spreads").check(integer_from(0)));
  with(command
           .add_option("--gpu-spread", options.gpu_spread,
                       "Relative deviation of GPUs' speeds, the whole step long")
           .check(number_between(0, 1)));
  with(command
           .add_option("--task-spread", options.task_spread,
                       "Relative deviation of every compute task")
           .check(number_between(0, 1)));
  with(command
           .add_option("--routing-spread", options.routing_spread,
                       "Relative deviation of FFN tasks: some GPUs get more rows")
           .check(number_between(0, 1)));
  with(command.add_option("--slow-gpu", options.slow_gpu, "A GPU that is slower than the others")
           .check(integer_from(0)));
  with(command.add_option("--slow-factor", options.slow_factor, "So many times as slow")
           .check(number_between(1, 100))
           .show_default());
  with(command.add_flag("--transfers", options.transfers,
                        "Send each micro-batch to the next stage over the sender's network card, "
                        "which its exchanges wait for; else transfers take no time"));
  with(command.add_flag("--nvlink", options.nvlink,
                        "Rows of tensor parallelism and what exchanges forward in a node wait for "
                        "each other; else NVLink carries both at once"));
  with(command
           .add_option("--trace", options.trace,
                       "Write one pipeline's step for chrome://tracing or Perfetto")
           .type_name("FILE"));
}

Simulation simulate(const plan::Cluster& cluster, const plan::TrainingPlan& plan, i64 hidden_size,
                    const SimulationOptions& options, bool keep_trace) {
  if (options.slow_gpu >= plan.layout.gpus) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("--slow-gpu: found {}, expected 0 to {}",
                                                      options.slow_gpu, plan.layout.gpus - 1));
  }
  if (plan.layout.gpus > kMostGpus) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("--simulate: found {} GPUs, expected at most {}", plan.layout.gpus, kMostGpus));
  }
  keep_trace = keep_trace || !options.trace.empty();
  if (const i64 operations = num_operations(plan.schedule);
      keep_trace && operations > kMostTracedOperations) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("--trace: the step has {} operations, expected at most {}", operations,
                            kMostTracedOperations));
  }
  Simulation simulation;
  plan::Seconds transfer;
  if (options.transfers) transfer = stage_transfer(cluster, plan.layout, plan.run, hidden_size);
  simulation.step = simulate_step(cluster, plan,
                                  {.seed = static_cast<u64>(options.seed),
                                   .gpu_spread = options.gpu_spread,
                                   .task_spread = options.task_spread,
                                   .routing_spread = options.routing_spread,
                                   .slow_gpu = options.slow_gpu,
                                   .slow_factor = options.slow_factor,
                                   .transfer = transfer,
                                   .nvlink_queue = options.nvlink,
                                   .keep_trace = keep_trace});
  const double steps = plan.run.tokens / plan.run.step_tokens().value;
  simulation.run =
      simulate_failures(cluster.operation, plan.layout.gpus, simulation.step.step * steps,
                        plan.checkpoint_interval, static_cast<u64>(options.seed));
  return simulation;
}

std::string simulation_text(const Simulation& s, const plan::TrainingPlan& plan) {
  std::string text = fmt::format(
      "simulated          {:.2f} s a step ({:+.1f} % of the plan's), {} tasks on {} GPUs\n",
      s.step.step.value, std::round(1000.0 * (s.step.step / plan.step - 1.0)) / 10.0 + 0.0,
      s.step.tasks, plan.layout.gpus);
  text += fmt::format(
      "  bubble {:.2f} s, exchange that no compute hides {:.2f} s, mean of the ranks; a GPU waits "
      "{:.2f} ms\n  for the slowest of its group, an exchange\n",
      mean_seconds(s.step.bubble), mean_seconds(s.step.exposed_exchange), s.step.skew.value * 1e3);
  if (s.run.wall.value > 0.0) {
    text += fmt::format("  the run with failures: {:.1f} days, {} failures, {:.1f} % of it kept\n",
                        s.run.wall.value / 86400.0, s.run.failures, 100.0 * s.run.goodput);
  }
  return text;
}

io::JsonObject simulation_json(const Simulation& s) {
  io::JsonObject object;
  object.set("step_s", s.step.step.value);
  object.set("tasks", s.step.tasks);
  object.set("bubble_s", seconds_array(s.step.bubble));
  object.set("exposed_exchange_s", seconds_array(s.step.exposed_exchange));
  object.set("skew_s", s.step.skew.value);
  object.set("wall_s", s.run.wall.value);
  object.set("failures", s.run.failures);
  object.set("goodput", s.run.goodput);
  return object;
}

std::string chrome_trace(const plan::SimulatedStep& step) {
  std::string text = "{\"traceEvents\":[\n";
  i32 ranks = 0;
  for (const plan::TraceEvent& event : step.trace) ranks = std::max(ranks, event.rank + 1);
  for (i32 r = 0; r < ranks; ++r) {
    text += fmt::format(
        "{{\"ph\":\"M\",\"pid\":{},\"name\":\"process_name\",\"args\":{{\"name\":\"pipeline rank "
        "{}\"}}}},\n",
        r, r);
    for (const auto& [thread, name] : {std::pair(0, "compute"), std::pair(1, "exchange")}) {
      text += fmt::format(
          "{{\"ph\":\"M\",\"pid\":{},\"tid\":{},\"name\":\"thread_name\",\"args\":{{\"name\":\"{}\""
          "}}}},\n",
          r, thread, name);
    }
  }
  for (const plan::TraceEvent& e : step.trace) {
    text += fmt::format(
        "{{\"ph\":\"X\",\"pid\":{},\"tid\":{},\"ts\":{:.1f},\"dur\":{:.1f},\"name\":\"{} {}\","
        "\"args\":{{\"stage\":{},\"layer\":{},\"micro_batch\":{}}}}},\n",
        e.rank, e.stream == plan::Stream::kCompute ? 0 : 1, e.start.value * 1e6,
        (e.end - e.start).value * 1e6, e.what, e.pass == plan::Pass::kForward ? "F" : "B", e.stage,
        e.layer, e.micro_batch);
  }
  text.resize(text.size() - 2);  // the last comma
  return text + "\n]}\n";
}

}  // namespace fathom::cli
