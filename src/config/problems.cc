#include "config/problems.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace fathom {

bool Problems::has(std::string_view field) const {
  return std::any_of(list_.begin(), list_.end(),
                     [field](const Problem& problem) { return problem.field == field; });
}

void Problems::add(std::string_view field, std::string text, bool invalid) {
  if (has(field)) return;
  list_.push_back({std::string(field), std::move(text)});
  any_invalid_ = any_invalid_ || invalid;
}

Error Problems::error(std::string_view where) const {
  FATHOM_CHECK(!list_.empty(), "no problem to report");
  std::string message;
  if (list_.size() == 1) {
    message = fmt::format("{}: {}: {}", where, list_[0].field, list_[0].text);
  } else {
    message = fmt::format("{}: {} problems:", where, list_.size());
    for (const Problem& problem : list_) {
      message += fmt::format("\n  {}: {}", problem.field, problem.text);
    }
  }
  return Error(any_invalid_ ? ErrorCode::kInvalidInput : ErrorCode::kUnsupported, message);
}

}  // namespace fathom
