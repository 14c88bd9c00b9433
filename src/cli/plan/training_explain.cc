// `--explain ROW`: the formula of a row with its numbers.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <map>

#include "base/error.h"
#include "cli/plan/training_text.h"

namespace fathom::cli {
namespace {

using plan::Kernel;
using plan::LayerSetting;
using plan::TrainingPlan;

struct Explained {
  const TrainingPlan& plan;
  const plan::Cluster& cluster;
  const ModelConfig& config;

  LayerSetting setting() const {
    return layer_setting(cluster, plan.layout, plan.run.seq_len, config.has_experts());
  }
};

double milliseconds(plan::Seconds time) { return time.value * 1e3; }

std::string kernel_line(const Kernel& k) {
  std::string text =
      fmt::format("  {:<20} {:<40} {:>9.1f} us", to_string(k.part), k.name, k.time.value * 1e6);
  if (k.waves > 0) {
    text += fmt::format("  {} x [{} x {} x {}]: {} waves", k.shape.count, k.shape.m, k.shape.n,
                        k.shape.k, k.waves);
  } else if (k.bytes.value > 0.0) {
    text += fmt::format("  {:.1f} MB", k.bytes.value / 1e6);
  }
  return text + "\n";
}

std::string explain_layer(const Explained& s) {
  const auto kernels = plan::layer_kernels(s.cluster, s.config, s.setting());
  std::string text = fmt::format(
      "One layer with experts, a micro-batch of {} tokens, {} SMs.\n"
      "Products: waves * ({} + {} * ceil(K/128)) us (weight gradients {}); memory-bound kernels:\n"
      "bytes over their share of {} GB/s.\n",
      s.setting().tokens, s.setting().sms, s.cluster.gemm.fixed_us, s.cluster.gemm.fp8_block_us,
      s.cluster.gemm.fp8_wgrad_block_us, s.cluster.gpu.memory_gb_s);
  for (const Kernel& k : kernels) text += kernel_line(k);
  for (size_t p = 0; p < plan::kNumLayerParts; ++p) {
    const auto part = static_cast<plan::LayerPart>(p);
    text += fmt::format("{:<22} {:>8.3f} ms\n", to_string(part),
                        milliseconds(part_time(kernels, part)));
  }
  return text + fmt::format("{:<22} {:>8.3f} ms\n", "all", milliseconds(total_time(kernels)));
}

std::string explain_exchange(const Explained& s) {
  const auto reach =
      plan::exchange_reach(s.config, s.plan.layout.expert_ranks, s.cluster.node.gpus);
  std::string text =
      fmt::format("A token goes to {:.2f} other nodes and {:.2f} GPUs (EP {} in nodes of {}).\n",
                  reach.remote_nodes, reach.ranks, s.plan.layout.expert_ranks, s.cluster.node.gpus);
  const auto row = [&](const char* what, plan::Exchange e, double gb_s) {
    const auto own = plan::tokens(s.setting().tokens / s.setting().tensor_ranks);
    const auto bytes = exchange_bytes(s.cluster, s.config, e, reach, own, s.plan.layout.precision);
    const auto time = exchange_time(s.cluster, s.config, e, reach, own, s.plan.layout.precision);
    text += fmt::format("  {:<18} {:>6.1f} MB a card at {:.1f} GB/s: {:.2f} ms\n", what,
                        bytes.value / 1e6, gb_s, milliseconds(time));
  };
  const plan::ExchangeSection& rates = s.cluster.exchange;
  row("dispatch", plan::Exchange::kDispatchForward, rates.dispatch_forward_gb_s);
  row("combine", plan::Exchange::kCombineForward, rates.combine_forward_gb_s);
  row("dispatch backward", plan::Exchange::kDispatchBackward, rates.dispatch_backward_gb_s);
  row("combine backward", plan::Exchange::kCombineBackward, rates.combine_backward_gb_s);
  return text;
}

std::string explain_memory(const Explained& s) {
  const plan::RankMemory& m = largest(s.plan.memory);
  std::string text = fmt::format(
      "Pipeline rank {}: {:.3f} B dense parameters, {:.3f} B of experts.\n"
      "  weights      P * 2 = {:.2f} GB\n  gradients    P * 4 = {:.2f} GB\n"
      "  optimizer    {:.2f} GB over {} dense and {} expert copies{}\n"
      "  activations  {:.1f} layers of micro-batches alive at most * {} tokens * {:.0f} bytes = "
      "{:.2f} GB\n"
      "A layer with experts keeps a token:\n",
      m.rank, m.dense_parameters / 1e9, m.expert_parameters / 1e9, m.weights.value / 1e9,
      m.gradients.value / 1e9, m.optimizer.value / 1e9, s.plan.layout.data_ranks(),
      s.plan.layout.expert_data_ranks(),
      s.plan.schedule.paths == 2 ? ", each twice (mirrored stages)" : "", m.alive,
      s.setting().tokens, kept_bytes(s.config, s.plan.layout, s.config.has_experts()).value,
      m.activations.value / 1e9);
  for (const auto& item : kept_items(s.config, s.plan.layout, s.config.has_experts())) {
    text += fmt::format("  {:<36} {:>9.0f}\n", item.what, item.bytes);
  }
  return text;
}

std::string explain_step(const Explained& s) {
  const TrainingPlan& p = s.plan;
  std::string text = fmt::format(
      "step = {} of {} micro-batches on {} ranks (played) + optimizer = {:.2f} + {:.2f} = {:.2f} "
      "s\n",
      to_string(p.layout.schedule), p.schedule.micro_batches, p.schedule.ranks,
      p.timeline.makespan.value, p.parts.optimizer.value, p.step.value);
  text += fmt::format("Every pass is {} times its tasks (operation.imbalance).\n",
                      s.cluster.operation.imbalance);
  for (size_t i = 0; i < p.stages.size(); ++i) {
    const plan::StageTimes& t = p.op_times.stages[i];
    text += fmt::format(
        "  stage {:>2}: {} layers{}{}; F {:.1f} I {:.1f} W {:.1f} B {:.1f} FB {:.1f} ms\n", i,
        p.stages[i].layers.size(), p.stages[i].embedding ? " + embedding" : "",
        p.stages[i].head ? " + head" : "", milliseconds(t.forward), milliseconds(t.backward_input),
        milliseconds(t.backward_weight), milliseconds(t.backward),
        milliseconds(p.op_times.overlapped[i][i]));
  }
  return text;
}

std::string explain_bubble(const Explained& s) {
  std::string text = "Idle time of each pipeline rank, as played:\n";
  for (size_t r = 0; r < s.plan.timeline.bubble.size(); ++r) {
    text += fmt::format("  rank {:>2}: {:.2f} s\n", r, s.plan.timeline.bubble[r].value);
  }
  const auto& middle = s.plan.op_times.stages[s.plan.stages.size() / 2];
  const size_t m = s.plan.stages.size() / 2;
  return text + fmt::format("Closed form for equal stages like stage {}: {:.2f} s\n", m,
                            closed_form_bubble(s.plan.layout.schedule, s.plan.schedule.ranks,
                                               middle, s.plan.op_times.overlapped[m][m])
                                .value);
}

std::string explain_optimizer(const Explained& s) {
  const bool mirrored = s.plan.schedule.paths == 2;
  const auto own = rank_parameters(s.config, plan::model_counts(s.config), s.plan.layout,
                                   s.plan.schedule, s.plan.stages, largest(s.plan.memory).rank);
  const auto traffic = optimizer_traffic(s.cluster, s.plan.layout, own, mirrored);
  return fmt::format(
      "Gradients scattered (4 bytes) and weights gathered (2) over the ranks that share them, the\n"
      "dense ones inside a node first; rank {}: {:.3f} B dense, {:.3f} B of experts.\n"
      "  {:.2f} GB over NVLink of {} GB/s, {:.2f} GB through a card of {} GB/s,\n"
      "  and 23 bytes of memory traffic a parameter of the shard: {:.2f} s on the slowest rank\n",
      largest(s.plan.memory).rank, own.dense / 1e9, own.expert / 1e9, traffic.nvlink.value / 1e9,
      s.cluster.node.nvlink_gb_s, traffic.network.value / 1e9, s.cluster.node.nic_gb_s,
      s.plan.parts.optimizer.value);
}

std::string explain_arithmetic(const Explained& s) {
  const TrainingPlan& p = s.plan;
  return fmt::format(
      "A token: matrices {:.1f}, causal attention {:.1f}, MTP {:.1f} GFLOP.\n"
      "  {:.0f} tokens/s a GPU * {:.1f} GFLOP / {:.0f} TFLOP/s = {:.2f} % (MTP not counted)\n",
      p.flops.matrices / 1e9, p.flops.attention / 1e9, p.flops.mtp / 1e9, p.tokens_per_s_per_gpu(),
      (p.flops.matrices + p.flops.attention) / 1e9, p.peak_flops / 1e12, 100.0 * p.mfu(true));
}

std::string explain_failures(const Explained& s) {
  const auto r = reliability(s.cluster.operation, s.plan.layout.gpus);
  return fmt::format(
      "Time between failures: {:.0f} GPU-hours / {} GPUs = {:.0f} s.\n"
      "  checkpoints every sqrt(2 * {} s * {:.0f} s) = {:.0f} s\n"
      "  kept: 1 - sqrt(2 * {} / {:.0f}) - {} / {:.0f} = {:.4f}\n",
      s.cluster.operation.gpu_hours_per_failure, s.plan.layout.gpus, r.time_between_failures.value,
      s.cluster.operation.checkpoint_s, r.time_between_failures.value, r.checkpoint_interval.value,
      s.cluster.operation.checkpoint_s, r.time_between_failures.value,
      s.cluster.operation.restart_s, r.time_between_failures.value, r.goodput);
}

using Explain = std::string (*)(const Explained&);
const std::vector<std::pair<std::string, Explain>>& rows() {
  static const std::vector<std::pair<std::string, Explain>> kRows = {
      {"layer", explain_layer},           {"exchange", explain_exchange},
      {"memory", explain_memory},         {"step", explain_step},
      {"bubble", explain_bubble},         {"optimizer", explain_optimizer},
      {"arithmetic", explain_arithmetic}, {"failures", explain_failures}};
  return kRows;
}

}  // namespace

const std::vector<std::string>& explained_rows() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const auto& [name, explain] : rows()) names.push_back(name);
    return names;
  }();
  return kNames;
}

std::string explain_training(const std::string& row, const TrainingPlan& plan,
                             const plan::Cluster& cluster, const ModelConfig& config) {
  for (const auto& [name, explain] : rows()) {
    if (name == row) return explain({plan, cluster, config});
  }
  throw Error(ErrorCode::kInvalidInput, fmt::format("--explain: found {}, expected one of: {}", row,
                                                    fmt::join(explained_rows(), " ")));
}

}  // namespace fathom::cli
