#pragma once
// Regular expressions of task files: Python's `re` as far as PCRE2 means the same.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace fathom::eval {

class Regex {
 public:
  /// kInvalidInput with the place and the reason. Texts are UTF-8; \d, \w and \s are Unicode's.
  static Result<Regex> compile(std::string_view pattern);

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  /// What re.findall returns: of a pattern without groups each match, else its groups in order
  /// (empty where one took no part). Throws Error{kInvalidInput} where a match takes too many
  /// steps.
  std::vector<std::vector<std::string>> find_all(std::string_view text) const;
  /// The whole first match from `from` on: begin and end.
  std::optional<std::pair<size_t, size_t>> find(std::string_view text, size_t from = 0) const;
  /// re.sub(pattern, to, text): \1 to \9 in `to` are groups.
  std::string replace(std::string_view text, std::string_view to) const;

 private:
  struct Impl;
  explicit Regex(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace fathom::eval
