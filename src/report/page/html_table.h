#pragma once
#include <string>
#include <utility>
#include <vector>

namespace fathom::report {

/// Cells are HTML already: escape what comes from names. The first cell of a row is its heading.
struct HtmlTable {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::pair<size_t, size_t>> best;  // (row, column) of cells that stand out
};

std::string to_html(const HtmlTable& table);

}  // namespace fathom::report
