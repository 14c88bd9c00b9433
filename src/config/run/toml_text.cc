#include "config/run/toml_text.h"

#include <algorithm>
#include <string>

namespace fathom {
namespace {

/// Walks TOML text from string to string.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::optional<TextPlace> run() {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (is_stray()) return place();
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        if (!skip_string(c)) return place();
      } else {
        ++at_;
      }
    }
    return std::nullopt;
  }

 private:
  bool is_stray() const { return at_ < text_.size() && static_cast<u8>(text_[at_]) >= 0x80; }
  bool has_three(char quote) const { return text_.substr(at_, 3) == std::string(3, quote); }

  /// Moves behind the string that begins here; false at a stray character after a line-ending
  /// backslash.
  bool skip_string(char quote) {
    const bool is_long = has_three(quote);
    at_ += is_long ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n' && !is_long) return true;  // not closed: the parser says so
      if (c == '\\' && quote == '"') {
        if (!skip_escape(is_long)) return false;
      } else if (c == quote && (!is_long || has_three(quote))) {
        at_ += is_long ? 3 : 1;
        for (int i = 0; is_long && i < 2 && at_ < text_.size() && text_[at_] == quote; ++i) ++at_;
        return true;
      } else {
        ++at_;
      }
    }
    return true;
  }

  /// A backslash and what it escapes: one character, or white space up to the next text.
  bool skip_escape(bool is_long) {
    constexpr std::string_view kSpace = " \t\r\n\v\f";
    ++at_;
    const bool ends_line =
        is_long && at_ < text_.size() && kSpace.find(text_[at_]) != std::string_view::npos;
    if (!ends_line) {
      at_ = std::min(at_ + 1, text_.size());
      return true;
    }
    at_ = std::min(text_.find_first_not_of(kSpace, at_), text_.size());
    return !is_stray();
  }

  TextPlace place() const {
    const std::string_view before = text_.substr(0, at_);
    const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
    return {.line = 1 + std::ranges::count(before, '\n'),
            .column = static_cast<i64>(at_ - line_begin) + 1};
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::optional<TextPlace> find_stray_character(std::string_view toml) { return Scanner(toml).run(); }

}  // namespace fathom
