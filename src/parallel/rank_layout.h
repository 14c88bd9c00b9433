#pragma once
// Which part of the work a rank has: PP x DP x EP, without tensor parallelism, as DeepSeek-V3
// §3.2. Rank r of a job is data rank r % data of pipeline rank r / data; expert groups are
// neighbours among the data ranks of one pipeline rank, so that they are on one node if any are.
#include <string>
#include <vector>

#include "base/types.h"
#include "config/model/model_config.h"
#include "config/run/parallel_config.h"

namespace fathom::parallel {

struct RankLayout {
  i64 ranks = 1;
  i64 pipeline = 1;  // ranks that a micro-batch passes through
  i64 expert = 1;    // ranks that the experts of a layer are dealt to; divides data()

  i64 data() const { return ranks / pipeline; }
  i64 expert_data() const { return data() / expert; }  // copies of an expert

  i64 pipeline_rank(i64 rank) const { return rank / data(); }
  i64 data_rank(i64 rank) const { return rank % data(); }
  i64 expert_rank(i64 rank) const { return data_rank(rank) % expert; }
};

/// What does not fit together, one sentence each: numbers that do not divide, experts on ranks of a
/// model without any, a batch smaller than the ranks that share it.
std::vector<std::string> layout_problems(const ParallelConfig& config, i64 ranks,
                                         const ModelConfig& model, i64 batch_sequences);

/// `layout_problems` must be empty.
RankLayout rank_layout(const ParallelConfig& config, i64 ranks);

}  // namespace fathom::parallel
