#include "tokenizer/stop_text.h"

#include <algorithm>
#include <utility>

namespace fathom::tokenizer {

StopTextFilter::StopTextFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, "");  // an empty text would stop everything
}

std::string_view StopTextFilter::push(std::string_view piece) {
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
      matched_ = stop;
    }
  }
  if (first_end != std::string::npos) {
    stopped_ = true;
    certain_.assign(held_, 0, begin);
    held_.clear();
    return certain_;
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
  certain_.assign(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return certain_;
}

std::string StopTextFilter::finish() { return stopped_ ? std::string() : std::exchange(held_, {}); }

}  // namespace fathom::tokenizer
