#pragma once
// One line of metrics.jsonl. The format is described in docs/file-formats.md.
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "report/metrics/metrics.h"

namespace fathom::report {

using MetricsRecord = std::variant<RunInfo, StepMetrics, ValidationMetrics, TaskMetrics, RunEnd>;

/// One JSON object without the line's end. Numbers have the fewest digits that read back the same;
/// NaN and the infinities are null, and the object's member "nonfinite" says which they were.
std::string metrics_line(const MetricsRecord& record);

/// The inverse; every value comes back bit for bit (NaNs as the quiet NaN). `where` names the line
/// in messages. Members that this version does not know are ignored, missing ones are an Error.
[[nodiscard]] Result<MetricsRecord> parse_metrics_line(std::string_view line,
                                                       const std::string& where);

/// The step that a record belongs to; 0 for a RunInfo.
i64 step_of(const MetricsRecord& record);

/// "running", "finished", "interrupted", "failed".
std::string_view to_string(RunState state);

}  // namespace fathom::report
