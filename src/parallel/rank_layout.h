#pragma once
// Which part of the work a rank has: PP x DP x EP, without tensor parallelism, as DeepSeek-V3
// §3.2. Rank r of a job is data rank r % data of pipeline rank r / data; expert groups are
// neighbours among the data ranks of one pipeline rank, so that they are on one node if any are.
#include <algorithm>
#include <string>
#include <vector>

#include "base/types.h"
#include "config/model/model_config.h"
#include "config/run/parallel_config.h"
#include "plan/schedule/schedule.h"

namespace fathom::parallel {

struct RankLayout {
  i64 ranks = 1;
  i64 pipeline = 1;  // ranks that a micro-batch passes through
  plan::ScheduleKind schedule = plan::ScheduleKind::k1F1B;
  i64 chunks = 1;  // of the interleaved schedule, on each rank of the pipeline
  i64 expert = 1;  // ranks that the experts of a layer are dealt to; divides data()

  /// The lists of a step of so many micro-batches.
  plan::Schedule schedule_of(i64 micro_batches) const {
    return plan::make_schedule(schedule, pipeline, micro_batches, chunks);
  }

  i64 data() const { return ranks / pipeline; }
  i64 expert_data() const { return data() / expert; }  // copies of an expert

  i64 pipeline_rank(i64 rank) const { return rank / data(); }
  i64 data_rank(i64 rank) const { return rank % data(); }
  i64 expert_rank(i64 rank) const { return data_rank(rank) % expert; }
  /// The first and the last stage are on ranks that share no layers.
  bool ends_apart() const {
    return pipeline > 1 && schedule != plan::ScheduleKind::kDualPipe &&
           schedule != plan::ScheduleKind::kDualPipeV;
  }
  /// The same for pipeline ranks that hold the same layers: a DualPipe's mirrored pairs.
  i64 holder_group(i64 rank) const {
    const i64 place = pipeline_rank(rank);
    const bool mirrored = schedule == plan::ScheduleKind::kDualPipe;
    return mirrored ? std::min(place, pipeline - 1 - place) : place;
  }
};

/// What does not fit together, one sentence each: numbers that do not divide, experts on ranks of a
/// model without any, a batch smaller than the ranks that share it, more stages than layers, too
/// few micro-batches for the schedule, a sum that no tree of micro-batches is.
/// `batch_sequences`: of a step; `micro_batch_sequences` 0: not known yet.
std::vector<std::string> layout_problems(const ParallelConfig& config, i64 ranks,
                                         const ModelConfig& model, i64 batch_sequences,
                                         i64 micro_batch_sequences);

/// `layout_problems` must be empty.
RankLayout rank_layout(const ParallelConfig& config, i64 ranks);

}  // namespace fathom::parallel
