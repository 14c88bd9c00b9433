#pragma once
#include <span>
#include <vector>

#include "base/types.h"

namespace fathom::eval {

/// Tokens that one pass sees; those behind the first `context_tokens` are predicted by it.
struct Window {
  std::vector<i32> ids;
  i64 context_tokens = 1;
};

/// A document that begins with its prefix token, each other token predicted once. The first window
/// predicts `window` tokens; each later one `stride` more, with as many before them as fit. Zero:
/// `longest` and `window`. Source: lm-evaluation-harness 0.4.13, utils.py
/// get_rolling_token_windows, which is this with the window as stride.
std::vector<Window> rolling_windows(std::span<const i32> ids, i64 longest, i64 window, i64 stride);

}  // namespace fathom::eval
