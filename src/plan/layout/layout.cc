#include "plan/layout/layout.h"

#include <fmt/format.h>

#include "plan/schedule/interleaved_pairs.h"

namespace fathom::plan {

void Layout::list_fields(FieldList& list) {
  constexpr Range kRanks = {.min = 1, .max = 1 << 20};
  list.add("gpus", gpus, "GPUs of the run; 0: all of the cluster", {.min = 0, .max = 1 << 24});
  list.add("pipeline_ranks", pipeline_ranks, "PP", kRanks);
  list.add("chunks_per_rank", chunks_per_rank, "model chunks a rank, interleaved alone", kRanks);
  list.add("expert_ranks", expert_ranks, "EP", kRanks);
  list.add("tensor_ranks", tensor_ranks, "TP, with the rows between split too", kRanks);
  list.add("schedule", schedule, kScheduleNames, "of the pipeline");
  list.add("overlap", overlap, kOverlapNames, "of expert exchanges with compute");
  list.add("micro_batch_sequences", micro_batch_sequences, "sequences of a micro-batch", kRanks);
  list.add("precision", precision, kPrecisionNames, "of products");
  list.add("recompute", recompute, kRecomputeNames, "what the backward pass computes again");
  list.add("shard_optimizer", shard_optimizer, "ZeRO-1: optimizer state over data ranks");
  list.add("bf16_moments", bf16_moments, "AdamW's moments in BF16 instead of f32");
}

bool Layout::has_pairs() const {
  if (schedule == ScheduleKind::kInterleaved) {
    return overlap == Overlap::kAllPairs && expert_ranks > 1 && chunks_per_rank > 1;
  }
  if (!is_paired(overlap)) return false;
  return schedule == ScheduleKind::kDualPipe || schedule == ScheduleKind::kDualPipeV;
}

Schedule Layout::make_lists(i64 micro_batches_of_a_pipeline) const {
  if (schedule == ScheduleKind::kInterleaved && has_pairs()) {
    return interleaved_pairs(pipeline_ranks, micro_batches_of_a_pipeline, chunks_per_rank);
  }
  return make_schedule(schedule, pipeline_ranks, micro_batches_of_a_pipeline, chunks_per_rank);
}

i64 Layout::stages() const {
  if (schedule == ScheduleKind::kDualPipeV) return 2 * pipeline_ranks;
  if (schedule == ScheduleKind::kInterleaved) return chunks_per_rank * pipeline_ranks;
  return pipeline_ranks;
}

std::vector<std::string> layout_problems(const Layout& l, const Cluster& cluster,
                                         const ModelConfig& config, const TrainingRun& run) {
  std::vector<std::string> problems;
  const auto divides = [&](i64 part, i64 whole, const char* what, const char* of) {
    if (part > 0 && whole % part == 0) return true;
    problems.push_back(fmt::format("{} = {} does not divide {} = {}", what, part, of, whole));
    return false;
  };
  if (l.gpus > cluster.gpus) {
    problems.push_back(fmt::format("gpus = {}, the cluster has {}", l.gpus, cluster.gpus));
  }
  const i64 model_ranks = l.pipeline_ranks * l.tensor_ranks;
  if (!divides(model_ranks, l.gpus, "pipeline_ranks * tensor_ranks", "gpus")) return problems;
  if (config.has_experts()) {
    divides(l.expert_ranks, config.n_routed_experts, "expert_ranks", "n_routed_experts");
    divides(l.pipeline_ranks * l.expert_ranks, l.gpus, "pipeline_ranks * expert_ranks", "gpus");
  } else if (l.expert_ranks > 1) {
    problems.push_back(fmt::format("expert_ranks = {}, the model has no experts", l.expert_ranks));
  }
  divides(l.tensor_ranks, config.num_attention_heads, "tensor_ranks", "num_attention_heads");
  divides(l.data_ranks() * l.micro_batch_sequences, run.sequences,
          "data ranks * micro_batch_sequences", "sequences a step");
  const i64 units = config.num_hidden_layers;
  if (l.stages() > units) {
    problems.push_back(fmt::format("{} stages for {} layers", l.stages(), units));
  }
  const i64 micro_batches = l.micro_batches(run.sequences);
  if (micro_batches > kMostMicroBatches) {
    problems.push_back(fmt::format("{} micro-batches a pipeline, expected at most {}",
                                   micro_batches, kMostMicroBatches));
  }
  const std::string schedule =
      schedule_problem(l.schedule, l.pipeline_ranks, micro_batches, l.chunks_per_rank);
  if (!schedule.empty()) problems.push_back(fmt::format("{}: {}", to_string(l.schedule), schedule));
  if (l.precision == Precision::kFp8 && !cluster.has_fp8()) {
    problems.push_back(fmt::format("precision = fp8, {} has no FP8 products", cluster.gpu.name));
  }
  return problems;
}

}  // namespace fathom::plan
