#include "engine/stop_text.h"

#include <algorithm>
#include <utility>

namespace fathom::engine {

StopTextFilter::StopTextFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, "");  // an empty text would stop everything
}

std::string StopTextFilter::push(std::string_view piece) {
  if (stopped_) return {};
  held_ += piece;
  // The stop text that is complete first wins, the longer one among those that end together: the
  // only rule that does not depend on how the stream was cut.
  size_t first_end = std::string::npos, begin = 0;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    const size_t end = at + stop.size();
    if (end < first_end || (end == first_end && at < begin)) {
      first_end = end;
      begin = at;
    }
  }
  if (first_end != std::string::npos) {
    stopped_ = true;
    return std::exchange(held_, {}).substr(0, begin);
  }
  // The longest suffix that begins some stop text waits for the next piece.
  size_t keep = 0;
  for (const std::string& stop : stops_) {
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > keep; --length) {
      if (held_.ends_with(std::string_view(stop).substr(0, length))) {
        keep = length;
        break;
      }
    }
  }
  std::string certain = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return certain;
}

std::string StopTextFilter::finish() { return stopped_ ? std::string() : std::exchange(held_, {}); }

}  // namespace fathom::engine
