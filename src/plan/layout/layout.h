#pragma once
// How a training run is laid over a cluster.
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "config/field_list.h"
#include "config/model/model_config.h"
#include "plan/machine/kernel_time.h"
#include "plan/schedule/schedule.h"

namespace fathom::plan {

inline constexpr std::array<std::pair<ScheduleKind, std::string_view>, 5> kScheduleNames = {{
    {ScheduleKind::k1F1B, "1f1b"},
    {ScheduleKind::kInterleaved, "interleaved"},
    {ScheduleKind::kZbH1, "zb-h1"},
    {ScheduleKind::kDualPipe, "dualpipe"},
    {ScheduleKind::kDualPipeV, "dualpipev"},
}};

enum class Recompute { kNone, kSelected, kAll };
inline constexpr std::array<std::pair<Recompute, std::string_view>, 3> kRecomputeNames = {{
    {Recompute::kNone, "none"},
    {Recompute::kSelected, "selected"},  // norms, MLA up-projections, SwiGLU: V3 §3.2.3
    {Recompute::kAll, "all"},            // the whole block from its input
}};

/// How a training step's expert exchanges run.
enum class Overlap {
  kPairs,     // beside the other micro-batch's compute, where the schedule has such pairs
  kNone,      // the same kernels, one behind the other
  kAlone,     // one behind the other, an exchange at the rate it has alone and compute on every SM
  kAllPairs,  // as kPairs, and pairs are made in the interleaved schedule too, as Megatron-LM makes
              // them: `fathom train` doesn't
};
inline constexpr std::array<std::pair<Overlap, std::string_view>, 4> kOverlapNames = {{
    {Overlap::kPairs, "pairs"},
    {Overlap::kNone, "none"},
    {Overlap::kAlone, "alone"},
    {Overlap::kAllPairs, "all-pairs"},
}};
inline bool is_paired(Overlap overlap) {
  return overlap == Overlap::kPairs || overlap == Overlap::kAllPairs;
}

inline constexpr std::array<std::pair<Precision, std::string_view>, 2> kPrecisionNames = {{
    {Precision::kBf16, "bf16"},
    {Precision::kFp8, "fp8"},
}};

/// Of a pipeline and step: schedules are lists, and a step of more would be no step.
inline constexpr i64 kMostMicroBatches = 1 << 16;

struct Layout {
  i64 gpus = 0;  // 0: all of the cluster
  i64 pipeline_ranks = 1;
  i64 chunks_per_rank = 1;  // of the interleaved schedule
  i64 expert_ranks = 1;
  i64 tensor_ranks = 1;
  ScheduleKind schedule = ScheduleKind::k1F1B;
  Overlap overlap = Overlap::kPairs;
  i64 micro_batch_sequences = 1;
  Precision precision = Precision::kFp8;
  Recompute recompute = Recompute::kSelected;
  bool shard_optimizer = true;  // ZeRO-1
  bool bf16_moments = true;

  void list_fields(FieldList& list);

  i64 data_ranks() const { return gpus / (pipeline_ranks * tensor_ranks); }
  /// Copies of an expert's weights.
  i64 expert_data_ranks() const { return gpus / (pipeline_ranks * expert_ranks); }
  /// Passes run in pairs, each one's exchanges beside the other's compute.
  bool has_pairs() const;
  /// The lists of a step: the schedule's, or of an interleaved one with pairs those with pairs.
  Schedule make_lists(i64 micro_batches_of_a_pipeline) const;
  /// Model stages of the schedule.
  i64 stages() const;
  /// Micro-batches a pipeline runs in a step of so many sequences.
  i64 micro_batches(i64 sequences) const {
    return sequences / (data_ranks() * micro_batch_sequences);
  }
};

/// The run's part that a plan needs.
struct TrainingRun {
  i64 sequences = 0;  // a step
  i64 seq_len = 4096;
  double tokens = 0.0;  // of the run
  bool fp8 = true;

  Tokens step_tokens() const {
    return Tokens(static_cast<double>(sequences) * static_cast<double>(seq_len));
  }
};

/// What does not fit together, one sentence each: sizes that do not divide, a schedule with too few
/// micro-batches, more stages than layers, FP8 on a machine without.
std::vector<std::string> layout_problems(const Layout& layout, const Cluster& cluster,
                                         const ModelConfig& config, const TrainingRun& run);

}  // namespace fathom::plan
