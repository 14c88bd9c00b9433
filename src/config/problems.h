#pragma once
// Internal to config/: collects everything that is wrong with a file, so that the user sees it
// once.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace fathom {

class Problems {
 public:
  /// `field` is impossible: the file is wrong.
  void invalid(std::string_view field, std::string text) { add(field, std::move(text), true); }
  /// `field` is possible, but this program refuses it.
  void unsupported(std::string_view field, std::string text) { add(field, std::move(text), false); }

  bool empty() const { return list_.empty(); }
  /// `field` has a problem already: later checks of it would only repeat it.
  bool has(std::string_view field) const;

  /// "where: field: text", or "where: N problems:" and one line each. kUnsupported if nothing is
  /// invalid. Must not be empty.
  Error error(std::string_view where) const;

 private:
  struct Problem {
    std::string field;
    std::string text;
  };
  void add(std::string_view field, std::string text, bool invalid);

  std::vector<Problem> list_;
  bool any_invalid_ = false;
};

}  // namespace fathom
