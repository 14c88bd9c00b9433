// Sums of usage_daily, cut as somebody asks.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/error.h"
#include "serve/accounts/usage/usage_table.h"

namespace fathom::serve {
namespace {

constexpr std::array<std::pair<UsageColumn, std::string_view>, 6> kColumns = {
    {{UsageColumn::kDay, "day"},
     {UsageColumn::kWeek, "week"},
     {UsageColumn::kMonth, "month"},
     {UsageColumn::kKey, "key"},
     {UsageColumn::kModel, "model"},
     {UsageColumn::kUser, "user"}}};

/// A line of usage_daily, or the sum of some.
struct Day {
  std::string date, key, model, user;
  UsageSums sums;
};

Day day_of(const SqlRow& row) {
  return {.date = text_of(row[0]),
          .key = text_of(row[1]),
          .model = text_of(row[2]),
          .user = text_of(row[3]),
          .sums = {.requests = integer_of(row[4]),
                   .errors = integer_of(row[5]),
                   .prompt_tokens = integer_of(row[6]),
                   .cached_tokens = integer_of(row[7]),
                   .completion_tokens = integer_of(row[8]),
                   .reasoning_tokens = integer_of(row[9]),
                   .cost = integer_of(row[10])}};
}

/// What no column of the report needs is summed in the database: end users alone may be millions of
/// lines.
std::string statement_for(const std::vector<UsageColumn>& by) {
  const auto needs = [&by](std::initializer_list<UsageColumn> columns) {
    return std::ranges::find_first_of(by, columns) != by.end();
  };
  const auto pick = [](bool is_needed, const char* column) {
    return is_needed ? column : "CAST('' AS TEXT)";
  };
  const bool has_date = needs({UsageColumn::kDay, UsageColumn::kWeek, UsageColumn::kMonth});
  std::string sums;
  for (const char* column : {"requests", "errors", "prompt_tokens", "cached_tokens",
                             "completion_tokens", "reasoning_tokens", "cost"}) {
    sums += fmt::format(", CAST(SUM(d.{}) AS BIGINT)", column);
  }
  return fmt::format(
      "SELECT {}, {}, {}, {}{} FROM usage_daily d LEFT JOIN api_keys k ON k.key_id = d.key_id"
      " WHERE d.date >= $1 AND d.date <= $2 AND ($3 = '' OR d.key_id = $3) GROUP BY 1, 2, 3, 4",
      pick(has_date, "d.date"), pick(needs({UsageColumn::kKey}), "COALESCE(k.name, d.key_id)"),
      pick(needs({UsageColumn::kModel}), "d.model"),
      pick(needs({UsageColumn::kUser}), "d.end_user"), sums);
}

std::string week_of(const std::string& date) {
  i64 unix_s = 0;
  parse_date(date, unix_s);
  return date_of(period_begin(Period::kWeek, unix_s));
}

std::string cell(const Day& day, UsageColumn column) {
  switch (column) {
    case UsageColumn::kDay:
      return day.date;
    case UsageColumn::kWeek:
      return week_of(day.date);
    case UsageColumn::kMonth:
      return day.date.substr(0, 7);
    case UsageColumn::kKey:
      return day.key;
    case UsageColumn::kModel:
      return day.model;
    case UsageColumn::kUser:
      return day.user;
  }
  return {};
}

}  // namespace

std::string_view usage_column_name(UsageColumn column) {
  return kColumns[static_cast<size_t>(column)].second;
}

std::vector<UsageColumn> parse_usage_columns(std::string_view text) {
  std::vector<UsageColumn> columns;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    bool is_known = false;
    for (const auto& [column, name] : kColumns) {
      if (name != word) continue;
      columns.push_back(column);
      is_known = true;
    }
    if (!is_known) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("\"{}\": expected some of day, week, month, key, model and user", word));
    }
    begin = end + 1;
  }
  return columns;
}

std::vector<UsageLine> usage_report(Sql& sql, const UsageQuery& query) {
  const auto rows =
      sql.query(statement_for(query.by),
                {query.from, query.to.empty() ? "9999-12-31" : query.to, query.key_id});
  std::map<std::vector<std::string>, UsageSums> groups;
  for (const SqlRow& row : rows) {
    const Day day = day_of(row);
    std::vector<std::string> group;
    for (const UsageColumn column : query.by) group.push_back(cell(day, column));
    groups[group].add(day.sums);
  }
  std::vector<UsageLine> lines;
  for (auto& [group, sums] : groups) lines.push_back({.group = group, .sums = sums});
  return lines;
}

}  // namespace fathom::serve
