#pragma once
// A machine as data: what its data sheet says and what was measured on it, each table with its
// source. Read from TOML (configs/clusters/), so that every number of a plan can be seen, changed
// on the command line and replaced by one's own measurement.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/machine/cluster_sections.h"
#include "plan/units/quantity.h"

namespace fathom::plan {

struct Cluster {
  i64 gpus = 0;  // in all
  GpuSection gpu;
  NodeSection node;
  NetworkSection network;
  GemmSection gemm;
  AttentionSection attention;
  KernelSection kernels;
  ExchangeSection exchange;
  ServingSection serving;
  OperationSection operation;
  ScaleSection scale;
  CpuSection cpu;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;

  bool is_cpu() const { return cpu.threads > 0; }
  Bytes memory() const { return Bytes((is_cpu() ? cpu.host_memory_gb : gpu.memory_gb) * 1e9); }
  BytesPerSecond memory_rate() const { return BytesPerSecond(gpu.memory_gb_s * 1e9); }
  BytesPerSecond nic_rate() const { return BytesPerSecond(node.nic_gb_s * 1e9); }
  BytesPerSecond nvlink_rate() const { return BytesPerSecond(node.nvlink_gb_s * 1e9); }
  FlopsPerSecond bf16_peak() const { return FlopsPerSecond(gpu.bf16_tflops * 1e12); }
  bool has_fp8() const { return gpu.fp8_tflops > 0.0; }
};

/// "sms=132" or "gpu.sms=132": a key that one section alone has may go without its section. The
/// full spelling, or the text itself where it names no such key (reading it then says so). An Error
/// lists the sections if several have the key.
[[nodiscard]] Result<std::string> full_key(const FieldList& root, const std::string& setting);
[[nodiscard]] Result<std::vector<std::string>> full_keys(const FieldList& root,
                                                         std::span<const std::string> settings);

/// A cluster file's text with `settings` ("gpu.sms=132") applied to it. The Error lists all
/// problems.
[[nodiscard]] Result<Cluster> parse_cluster(std::string_view text, const std::string& where,
                                            std::span<const std::string> settings = {});

/// The settings alone, on a cluster that was read.
[[nodiscard]] Result<void> edit_cluster(Cluster& cluster, std::span<const std::string> settings);

}  // namespace fathom::plan
