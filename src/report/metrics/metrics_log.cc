#include "report/metrics/metrics_log.h"

#include <fmt/format.h>

#include <variant>

#include "io/mapped_file.h"

namespace fathom::report {

Result<MetricsScan> scan_metrics(const std::filesystem::path& path, std::optional<i64> last_step,
                                 const std::function<void(const MetricsRecord&)>& visit) {
  auto file = io::MappedFile::open(path);
  if (!file) return tl::unexpected(std::move(file.error()));
  file->advise(io::AccessHint::kSequential);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()),
                              file->bytes().size());
  MetricsScan scan;
  i64 number = 0;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
    const std::string where = fmt::format("{}:{}", path.string(), ++number);
    const auto record = parse_metrics_line(text.substr(begin, end - begin), where);
    if (!record) {
      if (scan.damaged_lines++ == 0) scan.first_damage = record.error().message();
      continue;
    }
    if (last_step && (step_of(*record) > *last_step || std::holds_alternative<RunEnd>(*record))) {
      break;
    }
    visit(*record);
    scan.bytes_kept = static_cast<i64>(end) + 1;
  }
  return scan;
}

}  // namespace fathom::report
