#include "tokenizer/stop_text.h"

#include <algorithm>
#include <utility>

namespace fathom::tokenizer {

StopTextFilter::StopTextFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {}

std::string_view StopTextFilter::push(std::string_view piece) {
  if (stopped()) return {};
  held_ += piece;
  // The stop text that is complete first wins, the longer one among those that end together: the
  // only rule that does not depend on how the stream was cut.
  size_t first_end = std::string::npos, begin = 0;
  for (size_t i = 0; i < stops_.size(); ++i) {
    if (stops_[i].empty()) continue;  // it would stop everything
    const size_t at = held_.find(stops_[i]);
    if (at == std::string::npos) continue;
    const size_t end = at + stops_[i].size();
    if (end < first_end || (end == first_end && at < begin)) {
      first_end = end;
      begin = at;
      matched_ = static_cast<i32>(i);
    }
  }
  if (stopped()) {
    certain_.assign(held_, 0, begin);
    held_.clear();
    return certain_;
  }
  // The longest suffix that begins some stop text waits for the next piece.
  size_t keep = 0;
  for (const std::string& stop : stops_) {
    if (stop.empty()) continue;
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

const std::string& StopTextFilter::stop_text() const {
  static const std::string kNone;
  return stopped() ? stops_[static_cast<size_t>(matched_)] : kNone;
}

std::string StopTextFilter::finish() {
  return stopped() ? std::string() : std::exchange(held_, {});
}

}  // namespace fathom::tokenizer
