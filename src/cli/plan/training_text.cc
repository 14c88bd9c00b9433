#include "cli/plan/training_text.h"

#include <fmt/format.h>

namespace fathom::cli {
namespace {

using plan::RankMemory;
using plan::TrainingPlan;

std::string gb(plan::Bytes bytes) { return fmt::format("{:.1f} GB", bytes.value / 1e9); }

std::string seconds(plan::Seconds time) {
  if (time.value < 0.1) return fmt::format("{:.2f} ms", time.value * 1e3);
  return fmt::format("{:.2f} s", time.value);
}

std::string percent(double share) { return fmt::format("{:.1f} %", share * 100.0); }

std::string layout_line(const TrainingPlan& p) {
  const plan::Layout& l = p.layout;
  return fmt::format(
      "layout             {} GPUs: PP {}, EP {}, TP {}, DP {}; {}, {} micro-batches of {} "
      "sequence{}{}\n",
      l.gpus, l.pipeline_ranks, l.expert_ranks, l.tensor_ranks, l.data_ranks(),
      to_string(l.schedule), p.schedule.micro_batches, l.micro_batch_sequences,
      l.micro_batch_sequences == 1 ? "" : "s",
      plan::is_paired(l.overlap) ? "" : ", exchanges not overlapped");
}

std::string memory_lines(const TrainingPlan& p) {
  const RankMemory& m = largest(p.memory);
  std::string text =
      fmt::format("memory             {} of {} on the fullest pipeline rank ({}): {}\n",
                  gb(m.total()), gb(p.room), m.rank, p.fits() ? "fits" : "DOES NOT FIT");
  const auto row = [&](const char* what, plan::Bytes bytes) {
    text += fmt::format("  {:<16} {:>9}\n", what, gb(bytes));
  };
  row("weights", m.weights);
  row("gradients", m.gradients);
  row("optimizer", m.optimizer);
  row("activations", m.activations);
  row("buffers", m.buffers);
  row("reserved", m.reserved);
  row("fragmentation", m.fragmentation);
  return text;
}

std::string step_lines(const TrainingPlan& p) {
  std::string text =
      fmt::format("step               {} for {:.4g} tokens; bound by {}, then {}\n",
                  seconds(p.step), p.run.step_tokens().value, p.bottleneck, p.next_bottleneck);
  const auto row = [&](const char* what, plan::Seconds time) {
    if (time.value <= 0.0) return;
    text += fmt::format("  {:<16} {:>9}  {}\n", what, seconds(time), percent(time / p.step));
  };
  row("overlapped", p.parts.overlapped);
  row("forward", p.parts.forward);
  row("backward", p.parts.backward);
  row("weights", p.parts.weights);
  row("bubble", p.parts.bubble);
  row("optimizer", p.parts.optimizer);
  if (p.parts.exposed_exchange.value > 0.0) {
    text += fmt::format("  of these, exchange that no compute hides: {}\n",
                        seconds(p.parts.exposed_exchange));
  }
  return text;
}

}  // namespace

std::string training_text(const TrainingPlan& p, const plan::Cluster& cluster) {
  std::string text = fmt::format(
      "cluster            {} {}, network of ${:.1f} M\n", cluster.gpus, cluster.gpu.name,
      static_cast<double>(cluster.gpus) * cluster.network.endpoint_cost_usd / 1e6);
  text += layout_line(p) + memory_lines(p) + step_lines(p);
  text += fmt::format("rate               {:.0f} tokens/s a GPU, {:.1f} B tokens a day\n",
                      p.tokens_per_s_per_gpu(), p.rate().value * 86400.0 / 1e9);
  text += fmt::format(
      "arithmetic         {:.0f} TFLOP/s a GPU, {} of the BF16 peak (attention counted causal)\n"
      "                   {:.0f} TFLOP/s, {} (every key)\n",
      p.flops_per_s_per_gpu(true) / 1e12, percent(p.mfu(true)), p.flops_per_s_per_gpu(false) / 1e12,
      percent(p.mfu(false)));
  const double hours = p.gpu_hours(p.run.tokens);
  text += fmt::format(
      "run                {:.4g} tokens: {:.1f} days, {:.0f} K GPU-hours, ${:.3f} M at ${} an "
      "hour\n"
      "                   {:.1f} K GPU-hours a trillion tokens\n",
      p.run.tokens, p.run.tokens / p.rate().value / 86400.0, hours / 1e3,
      hours * p.price_per_hour / 1e6, p.price_per_hour, p.gpu_hours(1e12) / 1e3);
  text += fmt::format("failures           {} of the time is kept, checkpoints every {:.0f} s\n",
                      percent(p.goodput), p.checkpoint_interval.value);
  return text;
}

io::JsonObject training_json(const TrainingPlan& p) {
  io::JsonObject object;
  object.set("fits", p.fits());
  object.set("step_s", p.step.value);
  object.set("tokens_per_s_per_gpu", p.tokens_per_s_per_gpu());
  object.set("tokens_per_day", p.rate().value * 86400.0);
  object.set("flops_per_s_per_gpu", p.flops_per_s_per_gpu(true));
  object.set("flops_per_s_per_gpu_every_key", p.flops_per_s_per_gpu(false));
  object.set("mfu", p.mfu(true));
  object.set("mfu_every_key", p.mfu(false));
  object.set("gpu_hours", p.gpu_hours(p.run.tokens));
  object.set("gpu_hours_per_trillion_tokens", p.gpu_hours(1e12));
  object.set("cost_usd", p.gpu_hours(p.run.tokens) * p.price_per_hour);
  object.set("goodput", p.goodput);
  object.set("checkpoint_interval_s", p.checkpoint_interval.value);
  object.set("bottleneck", p.bottleneck);
  object.set("next_bottleneck", p.next_bottleneck);
  io::JsonObject parts;
  parts.set("overlapped_s", p.parts.overlapped.value);
  parts.set("forward_s", p.parts.forward.value);
  parts.set("backward_s", p.parts.backward.value);
  parts.set("weights_s", p.parts.weights.value);
  parts.set("bubble_s", p.parts.bubble.value);
  parts.set("optimizer_s", p.parts.optimizer.value);
  parts.set("exposed_exchange_s", p.parts.exposed_exchange.value);
  object.set("parts", std::move(parts));
  io::JsonObject layout;
  layout.set("gpus", p.layout.gpus);
  layout.set("pipeline_ranks", p.layout.pipeline_ranks);
  layout.set("chunks_per_rank", p.layout.chunks_per_rank);
  layout.set("expert_ranks", p.layout.expert_ranks);
  layout.set("tensor_ranks", p.layout.tensor_ranks);
  layout.set("data_ranks", p.layout.data_ranks());
  layout.set("schedule", to_string(p.layout.schedule));
  layout.set("micro_batches", p.schedule.micro_batches);
  object.set("layout", std::move(layout));
  io::JsonArray ranks;
  for (const RankMemory& m : p.memory) {
    io::JsonObject rank;
    rank.set("rank", m.rank);
    rank.set("weights", m.weights.value);
    rank.set("gradients", m.gradients.value);
    rank.set("optimizer", m.optimizer.value);
    rank.set("activations", m.activations.value);
    rank.set("buffers", m.buffers.value);
    rank.set("reserved", m.reserved.value);
    rank.set("fragmentation", m.fragmentation.value);
    rank.set("total", m.total().value);
    ranks.emplace_back(std::move(rank));
  }
  object.set("memory_bytes", std::move(ranks));
  return object;
}

}  // namespace fathom::cli
