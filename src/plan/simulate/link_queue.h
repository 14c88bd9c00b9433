#pragma once
// What a GPU's NVLink is busy with.
#include <algorithm>
#include <vector>

#include "plan/units/quantity.h"

namespace fathom::plan {

/// Takes each transfer at the first moment from which on it is free for long enough: a GPU's
/// streams ask in the order of their lists, not of time.
class LinkQueue {
 public:
  /// When a transfer of `time` that may begin at `from` begins.
  Seconds take(Seconds from, Seconds time) {
    size_t i = 0;
    for (; i < busy_.size() && busy_[i].begin < from + time; ++i) from = larger(from, busy_[i].end);
    busy_.insert(busy_.begin() + static_cast<std::ptrdiff_t>(i), {from, from + time});
    return from;
  }

  /// Nothing will begin before `time` any more.
  void forget(Seconds time) {
    std::erase_if(busy_, [time](const Span& span) { return span.end <= time; });
  }

 private:
  struct Span {
    Seconds begin, end;
  };
  std::vector<Span> busy_;  // by begin
};

}  // namespace fathom::plan
