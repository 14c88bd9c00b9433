#pragma once
// Which layers stand on which stage of a pipeline.
#include <vector>

#include "model/training/rank_part.h"
#include "plan/schedule/schedule.h"

namespace fathom::parallel {

/// Consecutive layers for each of `stages`, so that the largest stage is least: a layer weighs its
/// matrices' elements that a token meets, and the head's stage carries the head and the MTP modules
/// as well. The last stage may have no layer of its own.
std::vector<model::StageLayers> split_stages(const ModelConfig& config, i64 stages);

/// What a rank of the pipeline runs, in the order of the schedule's chunks.
std::vector<model::StageLayers> stages_of_rank(const ModelConfig& config,
                                               const plan::Schedule& schedule, i64 pipeline_rank);

}  // namespace fathom::parallel
