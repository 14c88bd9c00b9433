#pragma once
// A training plan for the eye.
#include <string>

#include "plan/advice/advice.h"
#include "plan/training/training_plan.h"

namespace fathom::cli {

/// One self-contained page: timeline of the schedule, memory of every rank, where a layer's time
/// goes, what better hardware would bring.
std::string plan_page(const plan::TrainingPlan& plan, const plan::Cluster& cluster,
                      const ModelConfig& config, const std::vector<plan::AdviceResult>& advice);

}  // namespace fathom::cli
