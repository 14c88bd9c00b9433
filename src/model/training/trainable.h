#pragma once
#include "config/model/model_config.h"
#include "config/run/training_recipe.h"

namespace fathom::model {

/// Throws Error{kUnsupported} with all that config and recipe ask for and a model cannot do, a line
/// each.
void check_trainable(const ModelConfig& config, const TrainingRecipe& recipe, i64 sequences,
                     i64 seq_len);

}  // namespace fathom::model
