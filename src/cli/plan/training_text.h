#pragma once
// A training plan as text and as JSON.
#include <string>
#include <vector>

#include "io/json.h"
#include "plan/training/training_plan.h"

namespace fathom::cli {

std::string training_text(const plan::TrainingPlan& plan, const plan::Cluster& cluster);
io::JsonObject training_json(const plan::TrainingPlan& plan);

/// Formulas with their numbers filled in. `row` is one of explained_rows().
std::string explain_training(const std::string& row, const plan::TrainingPlan& plan,
                             const plan::Cluster& cluster, const ModelConfig& config);
const std::vector<std::string>& explained_rows();

}  // namespace fathom::cli
