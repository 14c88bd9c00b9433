#pragma once
#include <span>

#include "report/metrics/metrics.h"

namespace fathom::posttrain {

/// What a step says of held-out samples: `before` was measured before it, `after` behind it. The
/// names are the same; where a step has both, the former get "before/".
inline void add_held_out(std::span<const report::NamedNumber> before,
                         std::span<const report::NamedNumber> after, report::StepMetrics& metrics) {
  for (const auto& [name, value] : before) {
    metrics.stage.emplace_back(after.empty() ? name : "before/" + name, value);
  }
  metrics.stage.insert(metrics.stage.end(), after.begin(), after.end());
}

}  // namespace fathom::posttrain
