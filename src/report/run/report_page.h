#pragma once
// report.html: one file without outside references. Its header and tables are made here, so that
// the latest numbers are there without scripts; its curves are drawn by the script of page/.
#include <filesystem>
#include <string>

#include "report/run/run_history.h"

namespace fathom::report {

struct PageOptions {
  double generated = 0.0;  // Unix time in seconds
  /// A process is at work on the run: the page loads itself again. Otherwise a run without a RunEnd
  /// is one whose end nobody recorded.
  bool alive = false;
  double reload_s = 15.0;
  std::filesystem::path directory;  // of the run, whose samples are shown; empty: none are
};

std::string report_page(const RunHistory& history, const PageOptions& options);

}  // namespace fathom::report
