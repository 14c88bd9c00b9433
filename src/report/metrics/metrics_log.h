#pragma once
// metrics.jsonl as a file: reading it record by record, and finding where a resumed run goes on.
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "report/metrics/metrics_json.h"

namespace fathom::report {

struct MetricsScan {
  i64 bytes_kept = 0;        // the file up to here: the visited records, and damaged lines between
  i64 damaged_lines = 0;     // skipped
  std::string first_damage;  // place and reason of the first
};

/// Calls `visit` for the records in order. A last line without its end was torn by a crash (or is
/// being written) and is passed over.
/// With `last_step`, as a resumed run sees its file: nothing from the first record of a later step
/// on, and no RunEnd, since the run goes on.
/// Errors as io::MappedFile::open: kNotFound, kInvalidInput, kIo.
[[nodiscard]] Result<MetricsScan> scan_metrics(
    const std::filesystem::path& path, std::optional<i64> last_step,
    const std::function<void(const MetricsRecord&)>& visit);

}  // namespace fathom::report
