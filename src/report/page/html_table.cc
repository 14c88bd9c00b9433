#include "report/page/html_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace fathom::report {

std::string to_html(const HtmlTable& table) {
  std::string text = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& name : table.head) text += fmt::format("<th scope=\"col\">{}</th>", name);
  text += "</tr></thead><tbody>\n";
  for (size_t r = 0; r < table.rows.size(); ++r) {
    text += "<tr>";
    for (size_t c = 0; c < table.rows[r].size(); ++c) {
      const std::string& cell = table.rows[r][c];
      const bool best =
          std::find(table.best.begin(), table.best.end(), std::pair(r, c)) != table.best.end();
      text += c == 0 ? fmt::format("<th scope=\"row\">{}</th>", cell)
                     : fmt::format("<td{}>{}</td>", best ? " class=\"best\"" : "", cell);
    }
    text += "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

}  // namespace fathom::report
