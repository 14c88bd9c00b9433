#pragma once
// From generated texts to values of metrics. Internal to run/.
#include <vector>

#include "eval/run/evaluation.h"

namespace fathom::eval {

/// Fills the views' answers. Throws Error{kInvalidInput} that names the item where a filter asks
/// for what that does not have.
void filter_answers(TaskResult& result);

/// Puts all answers of tasks that want it to `options.judge` at once.
void judge_answers(std::vector<TaskResult>& results, const EvaluationOptions& options);

/// Fills the views' values: of several samples a metric's mean, pass@K by its estimator, majority_*
/// of the most frequent answer. Programs run in `options.sandbox`.
void score_answers(TaskResult& result, const EvaluationOptions& options);

}  // namespace fathom::eval
