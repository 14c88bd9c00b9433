#include "parallel/rank_layout.h"

#include <fmt/format.h>

#include <bit>

#include "base/checked_math.h"

namespace fathom::parallel {
namespace {

plan::ScheduleKind kind_of(PipelineSchedule schedule) {
  switch (schedule) {
    case PipelineSchedule::k1F1B:
      return plan::ScheduleKind::k1F1B;
    case PipelineSchedule::kInterleaved:
      return plan::ScheduleKind::kInterleaved;
    case PipelineSchedule::kZbH1:
      return plan::ScheduleKind::kZbH1;
    case PipelineSchedule::kDualPipe:
      return plan::ScheduleKind::kDualPipe;
    case PipelineSchedule::kDualPipeV:
      return plan::ScheduleKind::kDualPipeV;
  }
  return plan::ScheduleKind::k1F1B;
}

/// Stages on a rank of a path.
i64 chunks_of(const ParallelConfig& config) {
  if (config.schedule == PipelineSchedule::kInterleaved) return config.pipeline_chunks;
  return config.schedule == PipelineSchedule::kDualPipeV ? 2 : 1;
}

void check_experts(const ParallelConfig& config, i64 data, const ModelConfig& model,
                   std::vector<std::string>& problems) {
  const i64 ranks = config.expert_ranks;
  if (data % ranks != 0) {
    problems.push_back(
        fmt::format("parallel.expert_ranks: {} does not divide the {} ranks that share the batch",
                    ranks, data));
  }
  const i64 most = model.has_experts() ? model.n_routed_experts : 1;
  if (ranks > most) {
    problems.push_back(
        fmt::format("parallel.expert_ranks: found {}, expected at most {}: {}", ranks, most,
                    model.has_experts() ? "the model's experts" : "the model has no experts"));
  }
}

void check_pipeline(const ParallelConfig& config, const ModelConfig& model, i64 micro_batches,
                    std::vector<std::string>& problems) {
  const i64 ranks = config.pipeline_ranks;
  if (ranks == 1) return;
  const i64 stages = ranks * chunks_of(config);
  if (stages > model.num_hidden_layers + 1) {
    problems.push_back(fmt::format("parallel.pipeline_ranks: {} stages for {} layers and the head",
                                   stages, model.num_hidden_layers));
  }
  const std::string unfit = micro_batches == 0
                                ? ""
                                : plan::schedule_problem(kind_of(config.schedule), ranks,
                                                         micro_batches, chunks_of(config));
  if (!unfit.empty()) problems.push_back("parallel.schedule: " + unfit);
}

/// Gradients of a step are a binary tree of its micro-batches', of which a rank has a branch.
void check_any_layout(const ParallelConfig& config, const ModelConfig& model, i64 data,
                      i64 batch_sequences, i64 micro, std::vector<std::string>& problems) {
  if (config.reduction != GradientReduction::kAnyLayout) return;
  const auto refuse = [&](const std::string& why) {
    problems.push_back("parallel.reduction: any-layout " + why);
  };
  if (!std::has_single_bit(static_cast<u64>(data))) {
    refuse(fmt::format("wants a power of two of ranks that share the batch, found {}", data));
  }
  if (config.expert_ranks > 1) {
    refuse(
        fmt::format("wants parallel.expert_ranks = 1, found {}: one product of an expert has "
                    "tokens of several ranks",
                    config.expert_ranks));
  }
  if (model.tie_word_embeddings && config.pipeline_ranks > 1) {
    refuse(
        fmt::format("wants parallel.pipeline_ranks = 1 of a model whose head is its embedding "
                    "(tie_word_embeddings), found {}: both ends add to one gradient",
                    config.pipeline_ranks));
  }
  if (micro > 0 && batch_sequences % (data * micro) != 0) {
    refuse(
        fmt::format("wants micro-batches of one size: {} sequences of a step are no multiple of "
                    "{} ranks of {}",
                    batch_sequences, data, micro));
  }
}

}  // namespace

std::vector<std::string> layout_problems(const ParallelConfig& config, i64 ranks,
                                         const ModelConfig& model, i64 batch_sequences,
                                         i64 micro_batch_sequences) {
  if (ranks % config.pipeline_ranks != 0) {
    return {fmt::format("parallel.pipeline_ranks: {} does not divide the job's {} ranks",
                        config.pipeline_ranks, ranks)};
  }
  std::vector<std::string> problems;
  const i64 data = ranks / config.pipeline_ranks;
  check_experts(config, data, model, problems);
  if (batch_sequences < data) {
    problems.push_back(
        fmt::format("train.batch_sequences: found {}, expected at least one for "
                    "each of the {} ranks that share the batch",
                    batch_sequences, data));
  }
  const i64 micro_batches = micro_batch_sequences == 0
                                ? 0
                                : ceil_div(ceil_div(batch_sequences, data), micro_batch_sequences);
  check_pipeline(config, model, micro_batches, problems);
  check_any_layout(config, model, data, batch_sequences, micro_batch_sequences, problems);
  return problems;
}

RankLayout rank_layout(const ParallelConfig& config, i64 ranks) {
  return {
      .ranks = ranks,
      .pipeline = config.pipeline_ranks,
      .schedule = config.pipeline_ranks == 1 ? plan::ScheduleKind::k1F1B : kind_of(config.schedule),
      .chunks = chunks_of(config),
      .expert = config.expert_ranks};
}

}  // namespace fathom::parallel
