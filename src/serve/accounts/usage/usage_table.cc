#include "serve/accounts/usage/usage_table.h"

#include <fmt/format.h>

#include <map>

#include "base/error.h"

namespace fathom::serve {
namespace {

constexpr const char* kInsertRow =
    "INSERT INTO usage (row_id, request_id, key_id, ts_start, ts_first_token, ts_end, endpoint,"
    " model, alias, status, finish_reason, error_code, stream, prompt_tokens, cached_tokens,"
    " completion_tokens, reasoning_tokens, draft_tokens, accepted_tokens, queue_ms, prefill_ms,"
    " decode_ms, price_in, price_cached, price_out, cost, end_user, session, client_ip_hash)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,"
    " $20, $21, $22, $23, $24, $25, $26, $27, $28, $29)";

constexpr const char* kAddToDay =
    "INSERT INTO usage_daily (date, key_id, model, end_user, requests, errors, prompt_tokens,"
    " cached_tokens, completion_tokens, reasoning_tokens, cost)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    " ON CONFLICT (date, key_id, model, end_user) DO UPDATE SET"
    " requests = usage_daily.requests + excluded.requests,"
    " errors = usage_daily.errors + excluded.errors,"
    " prompt_tokens = usage_daily.prompt_tokens + excluded.prompt_tokens,"
    " cached_tokens = usage_daily.cached_tokens + excluded.cached_tokens,"
    " completion_tokens = usage_daily.completion_tokens + excluded.completion_tokens,"
    " reasoning_tokens = usage_daily.reasoning_tokens + excluded.reasoning_tokens,"
    " cost = usage_daily.cost + excluded.cost";

struct DayKey {
  std::string date, key_id, model, end_user;
  auto operator<=>(const DayKey&) const = default;
};

std::vector<SqlValue> values_of(const UsageRow& row) {
  return {row.row_id,
          row.request_id,
          row.key_id,
          row.start_ms,
          row.first_token_ms == 0 ? SqlValue() : SqlValue(row.first_token_ms),
          row.end_ms,
          row.endpoint,
          row.model,
          row.alias,
          row.status,
          row.finish_reason,
          row.error_code,
          i64{row.is_stream},
          row.prompt_tokens,
          row.cached_tokens,
          row.completion_tokens,
          row.reasoning_tokens,
          row.draft_tokens,
          row.accepted_tokens,
          row.queue_ms,
          row.prefill_ms,
          row.decode_ms,
          row.prices.input,
          row.prices.cached,
          row.prices.output,
          row.cost,
          row.end_user,
          row.session,
          row.client_ip_hash};
}

bool stands_there(Sql& sql, const UsageRow& row) {
  return !sql.query("SELECT 1 FROM usage WHERE row_id = $1", {row.row_id}).empty();
}

}  // namespace

void write_usage(Sql& sql, std::span<const UsageRow> rows) {
  if (rows.empty()) return;
  Transaction transaction(sql);
  std::map<DayKey, UsageSums> days;
  for (const UsageRow& row : rows) {
    if (stands_there(sql, row)) continue;
    sql.query(kInsertRow, values_of(row));
    days[{date_of(row.end_ms / 1000), row.key_id, row.model, row.end_user}].add(row);
  }
  // In the order of the keys, so that two servers never wait for each other in a ring.
  for (const auto& [day, sums] : days) {
    sql.query(kAddToDay, {day.date, day.key_id, day.model, day.end_user, sums.requests, sums.errors,
                          sums.prompt_tokens, sums.cached_tokens, sums.completion_tokens,
                          sums.reasoning_tokens, sums.cost});
  }
  transaction.commit();
}

PeriodTotals period_totals(Sql& sql, const std::string& key_id, Period period, i64 now_s) {
  const i64 begin_s = period_begin(period, now_s);
  const auto rows = sql.query(
      "SELECT CAST(COALESCE(SUM(prompt_tokens + completion_tokens), 0) AS BIGINT),"
      " CAST(COALESCE(SUM(cost), 0) AS BIGINT)"
      " FROM usage_daily WHERE key_id = $1 AND date >= $2",
      {key_id, date_of(begin_s)});
  return {.begin_s = begin_s, .tokens = integer_of(rows[0][0]), .cost = integer_of(rows[0][1])};
}

}  // namespace fathom::serve
