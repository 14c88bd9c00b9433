#include "plan/machine/cluster_sections.h"

#include <fmt/format.h>

namespace fathom::plan {
namespace {

constexpr Range kPositive = {.min = 0.0, .max = 1e12};
constexpr Range kShare = {.min = 0.001, .max = 10.0};

void add_source(FieldList& list, std::string& source) {
  list.add("source", source, "where the numbers of this table are from");
}

}  // namespace

void GpuSection::list_fields(FieldList& list) {
  list.add("name", name, "what it is called");
  list.add("sms", sms, "streaming multiprocessors", kCountRange);
  list.add("bf16_tflops", bf16_tflops, "dense BF16 peak", kPositive);
  list.add("fp8_tflops", fp8_tflops, "dense FP8 peak; 0: none. Times come from [gemm]", kPositive);
  list.add("memory_gb", memory_gb, "memory, 1e9 bytes", kPositive);
  list.add("memory_gb_s", memory_gb_s, "memory bandwidth, 1e9 bytes a second", kPositive);
  list.add("clock_ghz", clock_ghz, "at which the peaks hold", kPositive);
  list.add("launch_us", launch_us, "least time of a kernel", kPositive);
  list.add("price_per_hour", price_per_hour, "US dollars", kPositive);
  add_source(list, source);
}

void NodeSection::list_fields(FieldList& list) {
  list.add("gpus", gpus, "GPUs that share a scale-up network", {.min = 1, .max = 1 << 20});
  list.add("nvlink_gb_s", nvlink_gb_s, "usable scale-up bandwidth of a GPU, one direction",
           kPositive);
  list.add("nic_gb_s", nic_gb_s, "bandwidth of a GPU's network card, one direction", kPositive);
  add_source(list, source);
}

void NetworkSection::list_fields(FieldList& list) {
  list.add("latency_us", latency_us, "of a message between nodes, across leaves", kPositive);
  list.add("endpoint_cost_usd", endpoint_cost_usd, "of the network, for a GPU", kPositive);
  add_source(list, source);
}

void GemmSection::list_fields(FieldList& list) {
  list.add("fixed_us", fixed_us, "of a wave of tiles, whatever K is", kPositive);
  list.add("fp8_block_us", fp8_block_us, "128x128x128 on one SM, fprop and dgrad", kPositive);
  list.add("fp8_wgrad_block_us", fp8_wgrad_block_us, "the same of weight gradients", kPositive);
  list.add("bf16_block_us", bf16_block_us, "the same in BF16", kPositive);
  list.add("bf16_wgrad_block_us", bf16_wgrad_block_us, "weight gradients in BF16", kPositive);
  list.add("promotion", promotion, "FP8 sums are scaled and added outside the tensor cores");
  list.add("read_frac", read_frac, "of memory_gb_s, of products of few rows", kShare);
  add_source(list, source);
}

void AttentionSection::list_fields(FieldList& list) {
  list.add("forward_tflops_per_sm", forward_tflops_per_sm, "causal count", kPositive);
  list.add("backward_tflops_per_sm", backward_tflops_per_sm, "causal count, five products",
           kPositive);
  list.add("decode_tflops", decode_tflops, "absorbed MLA on the whole GPU", kPositive);
  list.add("decode_gb_s", decode_gb_s, "cache that a decoding step reads in a second", kPositive);
  add_source(list, source);
}

void KernelSection::list_fields(FieldList& list) {
  list.add("cast", cast, "BF16 to FP8 with scales: share of memory_gb_s", kShare);
  list.add("transpose", transpose, "transposed casts and copies", kShare);
  list.add("swiglu", swiglu, "SwiGLU, both passes", kShare);
  list.add("permute", permute, "rows to experts and back", kShare);
  list.add("norm", norm, "RMSNorm, both passes", kShare);
  list.add("rope", rope, "RoPE and the copies around it", kShare);
  list.add("add", add, "residual and elementwise", kShare);
  list.add("attention_edges", attention_edges, "before and after attention's backward kernel",
           kShare);
  list.add("router_forward_us", router_forward_us, "small kernels of the router, 4,096 tokens",
           kPositive);
  list.add("router_backward_us", router_backward_us, "the same backward", kPositive);
  list.add("mapping_us", mapping_us, "tokens to expert rows, 4,096 tokens", kPositive);
  add_source(list, source);
}

void ExchangeSection::list_fields(FieldList& list) {
  list.add("sm_for_comm", sm_for_comm, "SMs that exchange while training", kCountRange);
  list.add("sm_kept", sm_kept, "products leave them free at all times, not just during exchanges");
  list.add("dispatch_forward_gb_s", dispatch_forward_gb_s, "beside compute", kPositive);
  list.add("combine_forward_gb_s", combine_forward_gb_s, "beside compute", kPositive);
  list.add("dispatch_backward_gb_s", dispatch_backward_gb_s, "beside compute", kPositive);
  list.add("combine_backward_gb_s", combine_backward_gb_s, "beside compute", kPositive);
  list.add("alone_gb_s", alone_gb_s, "nothing beside it", kPositive);
  list.add("wait_us", wait_us, "for the slowest rank, an exchange; 0: moving time alone",
           kPositive);
  list.add("prefill_sms", prefill_sms, "SMs that exchange in prefill", kCountRange);
  list.add("low_latency_ranks", low_latency_ranks, "EP sizes of the two tables");
  list.add("low_latency_dispatch_us", low_latency_dispatch_us, "dispatch of decoding");
  list.add("low_latency_combine_us", low_latency_combine_us, "combine of decoding");
  list.add("low_latency_tokens", low_latency_tokens, "tokens a rank of the tables",
           {.min = 1, .max = 1 << 20});
  list.add("combine_bytes_per_value", combine_bytes_per_value, "BF16 2; LogFMT-8 about 1",
           {.min = 0.25, .max = 4.0});
  list.add("multicast", multicast, "the network copies dispatched rows and sums combined ones");
  add_source(list, source);
}

void ExchangeSection::check(const std::string& prefix, Problems& problems) const {
  const auto same = [&](std::string_view name, const std::vector<double>& list) {
    if (list.size() == low_latency_ranks.size()) return;
    problems.invalid(prefix + std::string(name),
                     fmt::format("found {} entries, expected {}: one for each of low_latency_ranks",
                                 list.size(), low_latency_ranks.size()));
  };
  same("low_latency_dispatch_us", low_latency_dispatch_us);
  same("low_latency_combine_us", low_latency_combine_us);
  for (size_t i = 1; i < low_latency_ranks.size(); ++i) {
    if (low_latency_ranks[i] > low_latency_ranks[i - 1]) continue;
    problems.invalid(prefix + "low_latency_ranks",
                     fmt::format("found {} behind {}, expected growing sizes", low_latency_ranks[i],
                                 low_latency_ranks[i - 1]));
    break;
  }
}

void ServingSection::list_fields(FieldList& list) {
  list.add("decode_other_frac", decode_other_frac, "kernels beside products and attention",
           {.min = 0.0, .max = 10.0});
  list.add("decode_layer_us", decode_layer_us, "fixed time of a layer's decoding", kPositive);
  list.add("free_memory_frac", free_memory_frac, "of what weights leave, for the cache",
           {.min = 0.0, .max = 1.0});
  add_source(list, source);
}

void OperationSection::list_fields(FieldList& list) {
  list.add("imbalance", imbalance, "factor on a step: routing skew, ends, transfers",
           {.min = 1.0, .max = 100.0});
  list.add("gap_frac", gap_frac, "between kernels, share of compute", {.min = 0.0, .max = 1.0});
  list.add("fragmentation_frac", fragmentation_frac, "of memory", {.min = 0.0, .max = 1.0});
  list.add("reserved_gb", reserved_gb, "context and communication library", kPositive);
  list.add("gpu_hours_per_failure", gpu_hours_per_failure, "mean time between failures of a GPU",
           {.min = 1e-3, .max = 1e12});
  list.add("checkpoint_s", checkpoint_s, "a checkpoint stops the run for", kPositive);
  list.add("restart_s", restart_s, "from a failure to the next step", kPositive);
  add_source(list, source);
}

void ScaleSection::list_fields(FieldList& list) {
  constexpr Range kFactor = {.min = 0.0, .max = 1000.0};
  list.add("gemm", gemm, "fprop and dgrad", kFactor);
  list.add("wgrad", wgrad, "weight gradients", kFactor);
  list.add("attention", attention, "attention cores", kFactor);
  list.add("cast", cast, "casts to FP8", kFactor);
  list.add("transpose", transpose, "transposed casts and copies", kFactor);
  list.add("memory", memory, "every other memory-bound kernel", kFactor);
  list.add("exchange", exchange, "dispatch and combine", kFactor);
  add_source(list, source);
}

void CpuSection::list_fields(FieldList& list) {
  list.add("threads", threads, "above 0: a node without accelerators", {.min = 0, .max = 1 << 16});
  list.add("read_gb_s", read_gb_s, "measured memory reads", kPositive);
  list.add("gemm_gflops", gemm_gflops, "measured BF16 products", kPositive);
  list.add("training_frac", training_frac, "useful arithmetic of training over gemm_gflops",
           {.min = 0.0, .max = 100.0});
  list.add("decode_read_frac", decode_read_frac,
           "decoding's reads over read_gb_s; caches may give more than memory",
           {.min = 0.0, .max = 100.0});
  list.add("host_memory_gb", host_memory_gb, "memory, 1e9 bytes", kPositive);
  add_source(list, source);
}

}  // namespace fathom::plan
