#include "eval/model/rolling_windows.h"

#include <algorithm>

namespace fathom::eval {

std::vector<Window> rolling_windows(std::span<const i32> ids, i64 longest, i64 window, i64 stride) {
  const i64 length = window > 0 ? std::min(window, longest) : longest;
  const i64 step = stride > 0 ? std::min(stride, length) : length;
  std::vector<Window> windows;
  for (i64 first = 1; first < std::ssize(ids);) {
    const i64 end = std::min(first + (first == 1 ? length : step), std::ssize(ids));
    const i64 begin = std::max<i64>(0, end - 1 - length);  // the last token is no input
    Window one;
    one.ids.assign(ids.begin() + begin, ids.begin() + end);
    one.context_tokens = first - begin;
    windows.push_back(std::move(one));
    first = end;
  }
  return windows;
}

}  // namespace fathom::eval
