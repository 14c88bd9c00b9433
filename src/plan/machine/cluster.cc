#include "plan/machine/cluster.h"

#include <fmt/format.h>

#include "config/run/run_file.h"

namespace fathom::plan {
namespace {

/// `value` must be above 0.
void require(Problems& problems, std::string_view field, double value, std::string_view what) {
  if (value > 0.0) return;
  problems.invalid(field, fmt::format("found {}, expected {} above 0", value, what));
}

}  // namespace

void Cluster::list_fields(FieldList& list) {
  list.add("gpus", gpus, "GPUs in all", kCountRange);
  list.add("gpu", gpu, "one accelerator");
  list.add("node", node, "what shares a scale-up network");
  list.add("network", network, "between nodes");
  list.add("gemm", gemm, "products");
  list.add("attention", attention, "attention cores");
  list.add("kernels", kernels, "memory-bound kernels");
  list.add("exchange", exchange, "dispatch and combine of experts");
  list.add("serving", serving, "decoding");
  list.add("operation", operation, "imbalance, failures, reserves");
  list.add("scale", scale, "what-if factors");
  list.add("cpu", cpu, "a node without accelerators");
}

void Cluster::check(const std::string&, Problems& problems) const {
  if (is_cpu()) {
    require(problems, "cpu.read_gb_s", cpu.read_gb_s, "a bandwidth");
    require(problems, "cpu.gemm_gflops", cpu.gemm_gflops, "a speed");
    require(problems, "cpu.host_memory_gb", cpu.host_memory_gb, "a size");
    require(problems, "cpu.training_frac", cpu.training_frac, "a share");
    require(problems, "cpu.decode_read_frac", cpu.decode_read_frac, "a share");
    return;
  }
  require(problems, "gpus", static_cast<double>(gpus), "a number of GPUs");
  require(problems, "gpu.sms", static_cast<double>(gpu.sms), "a number of SMs");
  require(problems, "gpu.bf16_tflops", gpu.bf16_tflops, "a peak");
  require(problems, "gpu.clock_ghz", gpu.clock_ghz, "a clock");
  require(problems, "gpu.memory_gb", gpu.memory_gb, "a size");
  require(problems, "gpu.memory_gb_s", gpu.memory_gb_s, "a bandwidth");
  require(problems, "node.nvlink_gb_s", node.nvlink_gb_s, "a bandwidth");
  require(problems, "node.nic_gb_s", node.nic_gb_s, "a bandwidth");
  require(problems, "gemm.bf16_block_us", gemm.bf16_block_us, "a time");
  require(problems, "gemm.bf16_wgrad_block_us", gemm.bf16_wgrad_block_us, "a time");
  if (has_fp8()) {
    require(problems, "gemm.fp8_block_us", gemm.fp8_block_us, "a time");
    require(problems, "gemm.fp8_wgrad_block_us", gemm.fp8_wgrad_block_us, "a time");
  }
  require(problems, "attention.forward_tflops_per_sm", attention.forward_tflops_per_sm, "a speed");
  require(problems, "attention.backward_tflops_per_sm", attention.backward_tflops_per_sm,
          "a speed");
  require(problems, "attention.decode_tflops", attention.decode_tflops, "a speed");
  require(problems, "attention.decode_gb_s", attention.decode_gb_s, "a bandwidth");
  require(problems, "exchange.dispatch_forward_gb_s", exchange.dispatch_forward_gb_s, "a rate");
  require(problems, "exchange.combine_forward_gb_s", exchange.combine_forward_gb_s, "a rate");
  require(problems, "exchange.dispatch_backward_gb_s", exchange.dispatch_backward_gb_s, "a rate");
  require(problems, "exchange.combine_backward_gb_s", exchange.combine_backward_gb_s, "a rate");
  require(problems, "exchange.alone_gb_s", exchange.alone_gb_s, "a rate");
  if (exchange.sm_for_comm >= gpu.sms && gpu.sms > 0) {
    problems.invalid(
        "exchange.sm_for_comm",
        fmt::format("found {}, expected fewer than gpu.sms = {}", exchange.sm_for_comm, gpu.sms));
  }
  if (exchange.prefill_sms >= gpu.sms && gpu.sms > 0) {
    problems.invalid(
        "exchange.prefill_sms",
        fmt::format("found {}, expected fewer than gpu.sms = {}", exchange.prefill_sms, gpu.sms));
  }
}

Result<std::string> full_key(const FieldList& root, const std::string& setting) {
  const std::string name = setting.substr(0, setting.find('='));
  if (name.find('.') != std::string::npos || root.find(name) != nullptr) return setting;
  std::vector<std::string_view> sections;
  for (const Field& field : root.fields()) {
    const auto* table = std::get_if<TableValue>(&field.value);
    if (table != nullptr && table->fields().find(name) != nullptr) sections.push_back(field.name);
  }
  if (sections.empty()) return setting;
  if (sections.size() == 1) return fmt::format("{}.{}", sections.front(), setting);
  std::string list;
  for (const std::string_view section : sections) list += fmt::format(" {}.{}", section, name);
  return invalid_input(fmt::format("{}: several tables have it, name one:{}", setting, list));
}

Result<std::vector<std::string>> full_keys(const FieldList& root,
                                           std::span<const std::string> settings) {
  std::vector<std::string> full;
  for (const std::string& setting : settings) {
    auto key = full_key(root, setting);
    if (!key) return tl::unexpected(key.error());
    full.push_back(std::move(*key));
  }
  return full;
}

Result<void> edit_cluster(Cluster& cluster, std::span<const std::string> settings) {
  const FieldList root = field_list(cluster);
  const auto full = full_keys(root, settings);
  if (!full) return tl::unexpected(full.error());
  return parse_run_file("", "settings", *full, root);
}

Result<Cluster> parse_cluster(std::string_view text, const std::string& where,
                              std::span<const std::string> settings) {
  Cluster cluster;
  const FieldList root = field_list(cluster);
  const auto full = full_keys(root, settings);
  if (!full) return tl::unexpected(full.error());
  auto read = parse_run_file(text, where, *full, root);
  if (!read) return tl::unexpected(read.error());
  return cluster;
}

}  // namespace fathom::plan
