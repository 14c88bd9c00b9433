#pragma once
// Tables as text: CSV with quotes (RFC 4180) and TSV without.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace fathom::eval {

struct TableRow {
  i64 line = 1;  // where it begins
  std::vector<std::string> cells;
};

/// `separator` is ',' or a tab; with a comma cells may stand in quotes and hold line ends. Empty
/// lines are no rows. kInvalidInput ":LINE: what is wrong": a quote that does not end, or text
/// behind one that did.
Result<std::vector<TableRow>> parse_table(std::string_view text, char separator);

}  // namespace fathom::eval
