#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom::tokenizer {

/// Looks for the first of several marks, none of which holds another one.
class MarkSearch {
 public:
  MarkSearch() = default;
  explicit MarkSearch(std::vector<std::string> marks) : marks_(std::move(marks)) {}

  struct Hit {
    size_t begin = 0, end = 0;
    size_t mark = 0;  // its index
  };
  std::optional<Hit> find(std::string_view text) const {
    std::optional<Hit> first;
    for (size_t i = 0; i < marks_.size(); ++i) {
      const size_t at = text.find(marks_[i]);
      if (at == std::string_view::npos || (first && at >= first->begin)) continue;
      first = Hit{.begin = at, .end = at + marks_[i].size(), .mark = i};
    }
    return first;
  }
  /// Bytes at the end of `text` that may turn out to begin a mark.
  size_t open_bytes(std::string_view text) const {
    size_t open = 0;
    for (const std::string& mark : marks_) {
      for (size_t length = std::min(mark.size() - 1, text.size()); length > open; --length) {
        if (text.ends_with(std::string_view(mark).substr(0, length))) open = length;
      }
    }
    return open;
  }

 private:
  std::vector<std::string> marks_;
};

/// How `text` stands to a mark that may begin it.
enum class Opening { kNo, kPerhaps, kYes };
inline Opening opening(std::string_view text, std::string_view mark) {
  if (text.starts_with(mark)) return Opening::kYes;
  return mark.starts_with(text) ? Opening::kPerhaps : Opening::kNo;
}

}  // namespace fathom::tokenizer
