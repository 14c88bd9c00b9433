#pragma once
// The text of one line of JSON Lines, out of data that others wrote.
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/types.h"

namespace fathom::io {

/// A string member of a line.
struct LineText {
  std::string text;     // bytes that are not UTF-8 stay as they are
  i64 num_defects = 0;  // what JSON does not allow in a string, and was read nevertheless
  std::string defect;   // the first of them, ":COLUMN: what"
};

/// The string that the object `line` holds under `key`. Only that string and the object's own frame
/// must be sound: brackets that match, strings that end, nothing behind the object. In other
/// members anything may stand: keys that repeat, NaN, numbers of any size, bytes that are not
/// UTF-8, any depth. Defects of the string are repaired and counted: half a surrogate pair and the
/// backslash of an escape that means nothing become U+FFFD, a control character that is not escaped
/// stays. kInvalidInput: the message is ":COLUMN: what is wrong" (bytes, from 1) or ": what is
/// wrong". Without the member it names those that there are. Time O(line); memory O(depth) beside
/// the result.
[[nodiscard]] Result<LineText> text_of_json_line(std::string_view line, std::string_view key);

}  // namespace fathom::io
