#pragma once
#include <string>

#include "base/types.h"

namespace fathom::tokenizer {

/// Follows one JSON object while its bytes come: where it ends, and whether it still is one.
class JsonScanner {
 public:
  enum class State { kMore, kDone, kBad };
  /// After kDone or kBad nothing may be pushed.
  State push(char c);

  /// Objects and arrays that are open.
  i64 depth() const { return static_cast<i64>(open_.size()); }
  bool in_string() const { return in_string_; }
  /// Inside a key of the outermost object, its quotes but for the last one included.
  bool in_outer_key() const { return in_string_ && is_key_ && depth() == 1; }

 private:
  enum class Want { kValue, kValueOrEnd, kKey, kKeyOrEnd, kColon, kCommaOrEnd };
  State push_in_string(char c);
  State push_structure(char c);
  State close(char open);
  bool begin_value();
  bool end_scalar();

  std::string open_;    // '{' or '[' of each
  std::string scalar_;  // a number or a word that may go on
  Want want_ = Want::kValue;
  bool in_string_ = false, is_key_ = false, is_escaped_ = false;
  int hex_left_ = 0;  // of \uXXXX
};

}  // namespace fathom::tokenizer
