#include "serve/accounts/usage/usage_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace fathom::serve {
namespace {

struct SumColumn {
  const char* name;
  i64 UsageSums::*value;
};
constexpr std::array<SumColumn, 6> kCounts = {{{"requests", &UsageSums::requests},
                                               {"errors", &UsageSums::errors},
                                               {"prompt_tokens", &UsageSums::prompt_tokens},
                                               {"cached_tokens", &UsageSums::cached_tokens},
                                               {"completion_tokens", &UsageSums::completion_tokens},
                                               {"reasoning_tokens", &UsageSums::reasoning_tokens}}};

UsageSums total_of(std::span<const UsageLine> lines) {
  UsageSums total;
  for (const UsageLine& line : lines) total.add(line.sums);
  return total;
}

using Cells = std::vector<std::string>;

Cells header_of(const UsageQuery& query) {
  Cells cells;
  for (const UsageColumn column : query.by) cells.emplace_back(usage_column_name(column));
  for (const SumColumn& column : kCounts) cells.emplace_back(column.name);
  cells.emplace_back("cost");
  return cells;
}

Cells cells_of(const std::vector<std::string>& group, const UsageSums& sums) {
  Cells cells = group;
  for (const SumColumn& column : kCounts) cells.push_back(fmt::format("{}", sums.*column.value));
  cells.push_back(money_text(sums.cost));
  return cells;
}

/// A cell that a spreadsheet would take for a formula begins with an apostrophe: names of end users
/// are their own choice.
std::string csv_cell(const std::string& text) {
  std::string cell =
      !text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos
          ? "'" + text
          : text;
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

void set_sums(io::JsonObject& object, const UsageSums& sums) {
  for (const SumColumn& column : kCounts) object.set(column.name, sums.*column.value);
  object.set("cost", money_text(sums.cost));
}

}  // namespace

std::string usage_csv(const UsageQuery& query, std::span<const UsageLine> lines) {
  std::string text;
  const auto add_line = [&text](const Cells& cells) {
    for (size_t i = 0; i < cells.size(); ++i) text += (i == 0 ? "" : ",") + csv_cell(cells[i]);
    text += "\r\n";
  };
  add_line(header_of(query));
  for (const UsageLine& line : lines) add_line(cells_of(line.group, line.sums));
  return text;
}

std::string usage_table(const UsageQuery& query, std::span<const UsageLine> lines) {
  std::vector<Cells> rows = {header_of(query)};
  for (const UsageLine& line : lines) rows.push_back(cells_of(line.group, line.sums));
  Cells group(query.by.size());
  if (!group.empty()) group[0] = "total";
  rows.push_back(cells_of(group, total_of(lines)));
  std::vector<size_t> widths(rows[0].size());
  for (Cells& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      row[i] = printable(row[i]);
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const Cells& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += i < query.by.size() ? fmt::format("{:<{}}  ", row[i], widths[i])
                                  : fmt::format("{:>{}}  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

io::JsonObject usage_json(const UsageQuery& query, std::span<const UsageLine> lines) {
  io::JsonArray by, usage;
  for (const UsageColumn column : query.by) by.emplace_back(usage_column_name(column));
  for (const UsageLine& line : lines) {
    io::JsonObject object;
    for (size_t i = 0; i < query.by.size(); ++i) {
      object.set(std::string(usage_column_name(query.by[i])), line.group[i]);
    }
    set_sums(object, line.sums);
    usage.emplace_back(std::move(object));
  }
  io::JsonObject report, total;
  report.set("by", std::move(by));
  report.set("usage", std::move(usage));
  set_sums(total, total_of(lines));
  report.set("total", std::move(total));
  return report;
}

}  // namespace fathom::serve
