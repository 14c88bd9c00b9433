#pragma once
// The tables of a machine file. Each says in `source` where its numbers are from.
#include <string>
#include <vector>

#include "config/field_list.h"

namespace fathom::plan {

/// Of numbers of things: GPUs, SMs, ranks.
inline constexpr Range kCountRange = {.min = 0, .max = 1 << 24};

/// [gpu] One accelerator.
struct GpuSection {
  std::string name;
  i64 sms = 0;
  double bf16_tflops = 0.0;
  double fp8_tflops = 0.0;  // 0: no FP8 tensor cores
  double memory_gb = 0.0;
  double memory_gb_s = 0.0;
  double clock_ghz = 0.0;  // of the peaks above
  double launch_us = 2.0;
  double price_per_hour = 2.0;
  std::string source;

  void list_fields(FieldList& list);
};

/// [node] What shares a scale-up network, and each GPU's way out of it.
struct NodeSection {
  i64 gpus = 8;
  double nvlink_gb_s = 0.0;
  double nic_gb_s = 0.0;
  std::string source;

  void list_fields(FieldList& list);
};

/// [network]
struct NetworkSection {
  double latency_us = 3.7;
  double endpoint_cost_usd = 4390.0;
  std::string source;

  void list_fields(FieldList& list);
};

/// [gemm] A product takes waves * (fixed + block * ceil(K / 128)); `block` is the time of one
/// 128x128x128 block on one SM.
struct GemmSection {
  double fixed_us = 0.0;
  double fp8_block_us = 0.0;        // fprop and dgrad: 1x128 scales by 128x128 scales
  double fp8_wgrad_block_us = 0.0;  // 1x128 by 1x128, accumulated in f32 in memory
  double bf16_block_us = 0.0;
  double bf16_wgrad_block_us = 0.0;
  bool promotion = false;  // FP8 sums are scaled and added outside the tensor cores
  double read_frac = 0.9;  // of memory_gb_s, of products of few rows; assumed
  std::string source;

  void list_fields(FieldList& list);
};

/// [attention] The core: q.k, softmax, p.v.
struct AttentionSection {
  double forward_tflops_per_sm = 0.0;  // causal count
  double backward_tflops_per_sm = 0.0;
  double decode_tflops = 0.0;  // absorbed MLA, whole GPU
  double decode_gb_s = 0.0;
  std::string source;

  void list_fields(FieldList& list);
};

/// [kernels] Memory-bound kernels: the share of memory_gb_s that their bytes move at, and what
/// takes a time of its own.
struct KernelSection {
  double cast = 1.0;
  double transpose = 1.0;
  double swiglu = 1.0;
  double permute = 1.0;
  double norm = 1.0;
  double rope = 1.0;
  double add = 1.0;
  double attention_edges = 1.0;    // what the attention's backward kernel needs before and after
  double router_forward_us = 0.0;  // small kernels around the router, at 4,096 tokens
  double router_backward_us = 0.0;
  double mapping_us = 0.0;  // of tokens to expert rows, at 4,096 tokens
  std::string source;

  void list_fields(FieldList& list);
};

/// [exchange] Dispatch and combine of expert parallelism. Rates count the bytes that leave a NIC.
struct ExchangeSection {
  i64 sm_for_comm = 20;  // SMs that exchanges beside compute take
  bool sm_kept = true;   // products leave them free at all times, else while an exchange runs
  double dispatch_forward_gb_s = 0.0;
  double combine_forward_gb_s = 0.0;
  double dispatch_backward_gb_s = 0.0;
  double combine_backward_gb_s = 0.0;
  double alone_gb_s = 0.0;  // nothing running beside it
  double wait_us = 0.0;     // for the slowest rank, an exchange beside compute; 0: none
  i64 prefill_sms = 24;
  std::vector<double> low_latency_ranks;  // EP size of each entry
  std::vector<double> low_latency_dispatch_us;
  std::vector<double> low_latency_combine_us;
  i64 low_latency_tokens = 128;  // a rank, of the table
  double combine_bytes_per_value = 2.0;
  bool multicast = false;  // the network copies dispatched rows and sums combined ones
  std::string source;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

/// [serving]
struct ServingSection {
  double decode_other_frac = 0.2;  // of a decoding step's products and attention: other kernels
  double decode_layer_us = 50.0;   // and a fixed time a layer
  double free_memory_frac = 0.75;  // of what weights leave: for the cache
  std::string source;

  void list_fields(FieldList& list);
};

/// [operation] What a run meets beside arithmetic.
struct OperationSection {
  double imbalance = 1.10;  // of a step: routing skew, uneven ends, pipeline transfers
  double gap_frac = 0.0;    // of compute: between kernels
  double fragmentation_frac = 0.05;
  double reserved_gb = 1.5;  // context, communication library
  double gpu_hours_per_failure = 50.7e3;
  double checkpoint_s = 30.0;
  double restart_s = 600.0;
  std::string source;

  void list_fields(FieldList& list);
};

/// [scale] Factors on the time of a kind of work, 1 as measured: what an advice changes.
struct ScaleSection {
  double gemm = 1.0;  // fprop and dgrad
  double wgrad = 1.0;
  double attention = 1.0;
  double cast = 1.0;  // casts and transposed casts
  double transpose = 1.0;
  double memory = 1.0;  // every other memory-bound kernel
  double exchange = 1.0;
  std::string source;

  void list_fields(FieldList& list);
};

/// [cpu] A node without accelerators; threads > 0 makes the file one of those. Filled by
/// `fathom bench --machine-file`.
struct CpuSection {
  i64 threads = 0;
  double read_gb_s = 0.0;
  double gemm_gflops = 0.0;       // BF16 products as fathom's GEMM reaches them
  double training_frac = 0.5;     // share of gemm_gflops that training's useful arithmetic reaches
  double decode_read_frac = 0.8;  // share of read_gb_s that decoding reaches
  double host_memory_gb = 0.0;
  std::string source;

  void list_fields(FieldList& list);
};

}  // namespace fathom::plan
