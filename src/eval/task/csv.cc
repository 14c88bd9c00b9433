#include "eval/task/csv.h"

#include <fmt/format.h>

#include <utility>

namespace fathom::eval {
namespace {

class TableParser {
 public:
  TableParser(std::string_view text, char separator) : text_(text), separator_(separator) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);  // a byte order mark
  }

  Result<std::vector<TableRow>> parse() {
    std::vector<TableRow> rows;
    while (at_ < text_.size()) {
      TableRow row{.line = line_};
      do {
        std::string cell;
        const std::string wrong = read_cell(cell);
        if (!wrong.empty()) return invalid_input(fmt::format(":{}: {}", row.line, wrong));
        row.cells.push_back(std::move(cell));
      } while (take(separator_));
      take('\r');
      take('\n');
      if (row.cells.size() > 1 || !row.cells[0].empty()) rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    if (c == '\n') ++line_;
    ++at_;
    return true;
  }
  bool at_line_end() const {
    return at_ >= text_.size() || text_[at_] == '\n' ||
           (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n');
  }

  /// Returns what is wrong.
  std::string read_cell(std::string& cell) {
    if (separator_ != ',' || !take('"')) {
      while (!at_line_end() && text_[at_] != separator_) cell += text_[at_++];
      return {};
    }
    while (at_ < text_.size()) {
      if (take('"')) {
        if (!take('"')) {
          return at_line_end() || text_[at_] == separator_ ? "" : "text behind a closing quote";
        }
        cell += '"';
        continue;
      }
      if (text_[at_] == '\n') ++line_;
      cell += text_[at_++];
    }
    return "a quote does not end";
  }

  std::string_view text_;
  char separator_;
  size_t at_ = 0;
  i64 line_ = 1;
};

}  // namespace

Result<std::vector<TableRow>> parse_table(std::string_view text, char separator) {
  return TableParser(text, separator).parse();
}

}  // namespace fathom::eval
