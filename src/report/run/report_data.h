#pragma once
// The numbers behind the page's curves, as JSON for its script; src/report/page/README.md describes
// it.
#include <string>

#include "report/run/run_history.h"

namespace fathom::report {

enum class ReportDetail { kFull, kCurvesOnly };

/// One run. kCurvesOnly leaves out what a comparison does not draw: experts' shares and loads.
std::string report_data(const RunHistory& history, ReportDetail detail);

/// The experts' load on a byte: 0 for none at all, else 1 + 253 * (log2(load) + 4) / 8 rounded,
/// from a sixteenth of the mean load to sixteen times it; 255 is "not recorded". `load` is relative
/// to the mean.
u8 load_code(double load);

}  // namespace fathom::report
