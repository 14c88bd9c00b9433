#include "cli/eval/stored_results.h"

#include <fmt/format.h>

#include <chrono>

#include "base/error.h"
#include "base/log.h"
#include "cli/eval/result_table.h"
#include "eval/result/page.h"
#include "eval/result/stored_run.h"
#include "io/files/atomic_file.h"

namespace fathom::cli {

void show_stored_results(const std::vector<std::string>& folders, const std::string& page) {
  const size_t count = folders.size();
  if (count > 2 || (count == 1 && page.empty())) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("--compare: expected two folders, A,B, found {}", count));
  }
  std::vector<eval::StoredRun> runs;
  for (const std::string& folder : folders) {
    runs.push_back(value_or_throw(eval::read_stored_run(folder)));
  }
  if (count == 2) print_comparison(runs[0], runs[1]);
  if (page.empty()) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  io::write_file_atomically(page,
                            eval::results_page(runs, std::chrono::duration<double>(now).count()));
  log::info("page written to {}", page);
}

}  // namespace fathom::cli
