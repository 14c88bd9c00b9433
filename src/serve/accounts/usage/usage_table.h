#pragma once
// Rows and sums of usage in the database.
#include <span>
#include <string>
#include <vector>

#include "serve/accounts/limits/key_limits.h"
#include "serve/accounts/sql/sql.h"
#include "serve/accounts/usage/usage_row.h"

namespace fathom::serve {

/// The rows and the sums of their days, all or none. Rows that stand there already (of a time when
/// the answer of the database was lost) are left as they are.
void write_usage(Sql& sql, std::span<const UsageRow> rows);

/// Of the period that `now_s` is in, days of all servers together.
PeriodTotals period_totals(Sql& sql, const std::string& key_id, Period period, i64 now_s);

/// How a report is cut.
enum class UsageColumn { kDay, kWeek, kMonth, kKey, kModel, kUser };
std::string_view usage_column_name(UsageColumn column);
/// "key,day"; throws Error{kInvalidInput} for others than day, week, month, key, model and user.
std::vector<UsageColumn> parse_usage_columns(std::string_view text);

struct UsageQuery {
  std::vector<UsageColumn> by;
  std::string from, to;  // dates, both included; empty: open
  std::string key_id;    // empty: all
};

struct UsageLine {
  std::vector<std::string> group;  // as UsageQuery::by
  UsageSums sums;
};

/// In the order of the groups. A key goes by its name; a week and a month by their first day and
/// "2026-11".
std::vector<UsageLine> usage_report(Sql& sql, const UsageQuery& query);

}  // namespace fathom::serve
