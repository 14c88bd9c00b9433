// What a resumed run and `fathom report` read back: lines of metrics.jsonl and TensorBoard events.
#include <algorithm>

#include "base/check.h"
#include "report/metrics/metrics_json.h"
#include "report/metrics/tensorboard.h"
#include "report/run/report_page.h"

namespace fathom::report {
namespace {

/// What parses is written, and what is written parses to the same; any order of records is a page.
void check_lines(std::string_view input) {
  RunHistory history;
  while (!input.empty()) {
    const size_t end = std::min(input.find('\n'), input.size());
    const auto record = parse_metrics_line(input.substr(0, end), "input");
    input.remove_prefix(std::min(end + 1, input.size()));
    if (!record) {
      FATHOM_CHECK(record.error().message().starts_with("input:"), record.error().message());
      continue;
    }
    const std::string line = metrics_line(*record);
    const auto again = parse_metrics_line(line, "again");
    FATHOM_CHECK(again.has_value(), again ? "" : again.error().message());
    FATHOM_CHECK(metrics_line(*again) == line, "not stable: ", line);
    history.add(*record);
  }
  const std::string page = report_page(history, {.generated = 1.0});
  FATHOM_CHECK(page.ends_with("</html>\n"), "an unfinished page");
}

void check_events(std::string_view input) {
  i64 size_bytes = 0;
  while (!input.empty()) {
    const auto event = decode_event(input, size_bytes);
    if (!event) return;
    FATHOM_CHECK(size_bytes > 0 && size_bytes <= static_cast<i64>(input.size()), size_bytes);
    const std::string bytes = encode_event(*event);
    i64 again_bytes = 0;
    const auto again = decode_event(bytes, again_bytes);
    FATHOM_CHECK(again.has_value() && again_bytes == static_cast<i64>(bytes.size()));
    FATHOM_CHECK(again->step == event->step && again->scalars.size() == event->scalars.size());
    input.remove_prefix(static_cast<size_t>(size_bytes));
  }
}

}  // namespace
}  // namespace fathom::report

extern "C" int LLVMFuzzerTestOneInput(const fathom::u8* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  fathom::report::check_lines(input);
  fathom::report::check_events(input);
  return 0;
}
