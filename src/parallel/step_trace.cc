#include "parallel/step_trace.h"

#include <fmt/format.h>

namespace fathom::parallel {
namespace {

/// The events of one rank, each with a comma behind it. Waiting has no place of its own within a
/// span; it is shown at the span's beginning.
std::string events_of(int rank, const StepTrace& trace) {
  std::string text =
      fmt::format(R"({{"ph":"M","pid":{},"name":"process_name","args":{{"name":"rank {}"}}}},)"
                  "\n",
                  rank, rank);
  for (const auto& [thread, name] : {std::pair(0, "work"), std::pair(1, "waiting")}) {
    text +=
        fmt::format(R"({{"ph":"M","pid":{},"tid":{},"name":"thread_name","args":{{"name":"{}"}}}},)"
                    "\n",
                    rank, thread, name);
  }
  const auto event = [&](int thread, std::string_view name, double begin_s, double seconds) {
    text += fmt::format(R"({{"ph":"X","pid":{},"tid":{},"ts":{:.1f},"dur":{:.1f},"name":"{}"}},)"
                        "\n",
                        rank, thread, begin_s * 1e6, seconds * 1e6, name);
  };
  for (const TraceSpan& span : trace.spans()) {
    event(0, span.name, span.begin_s, span.end_s - span.begin_s);
    if (span.wait_s > 1e-6) event(1, span.name, span.begin_s, span.wait_s);
  }
  return text;
}

}  // namespace

std::string chrome_trace(comm::Comm& world, const StepTrace& trace) {
  std::string mine = events_of(world.rank(), trace);
  const i64 size = std::ssize(mine);
  std::vector<i64> sizes(static_cast<size_t>(world.size()));
  world.all_gather(std::as_bytes(std::span(&size, 1)), std::as_writable_bytes(std::span(sizes)));
  std::vector<std::string> texts;
  std::vector<comm::MutableBytes> parts;
  for (const i64 each : sizes) texts.emplace_back(static_cast<size_t>(each), ' ');
  for (std::string& text : texts) parts.push_back(std::as_writable_bytes(std::span(text)));
  world.all_gather_v(std::as_bytes(std::span(mine)), parts);
  if (world.rank() != 0) return "";
  std::string all = "{\"traceEvents\":[\n";
  for (const std::string& text : texts) all += text;
  all.resize(all.size() - 2);  // the last comma
  return all + "\n]}\n";
}

}  // namespace fathom::parallel
