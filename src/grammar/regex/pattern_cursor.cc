#include "grammar/regex/pattern_cursor.h"

#include <fmt/format.h>

#include "base/text.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {

bool PatternCursor::stop(ErrorCode why, std::string_view what, std::string_view ending) {
  if (error.empty()) {
    const size_t shown = tokenizer::valid_utf8_prefix_bytes(rest().substr(0, 12));
    error = at_end() ? fmt::format("{} at the end{}", what, ending)
                     : fmt::format("{} at byte {} (\"{}\"){}", what, pos,
                                   printable(rest().substr(0, shown)), ending);
    code = why;
  }
  return false;
}

}  // namespace fathom::grammar
