#include "serve/accounts/sql/schema.h"

#include <fmt/format.h>

#include "base/error.h"

namespace fathom::serve {
namespace {

constexpr i64 kSchemaVersion = 1;

/// In the words that SQLite and PostgreSQL share: BIGINT is 8 bytes in both.
constexpr const char* kTables = R"sql(
CREATE TABLE IF NOT EXISTS fathom_meta (
  name TEXT PRIMARY KEY,
  value BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS api_keys (
  key_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  shown TEXT NOT NULL,
  is_static BIGINT NOT NULL,
  enabled BIGINT NOT NULL,
  expires_s BIGINT NOT NULL,
  models TEXT NOT NULL,
  admin BIGINT NOT NULL,
  priority BIGINT NOT NULL,
  weight_ppm BIGINT NOT NULL,
  requests_per_minute BIGINT NOT NULL,
  tokens_per_minute BIGINT NOT NULL,
  max_parallel BIGINT NOT NULL,
  quota_tokens BIGINT NOT NULL,
  budget BIGINT NOT NULL,
  period TEXT NOT NULL,
  created_s BIGINT NOT NULL,
  revoked_s BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS usage (
  row_id TEXT PRIMARY KEY,
  request_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  ts_start BIGINT NOT NULL,
  ts_first_token BIGINT,
  ts_end BIGINT NOT NULL,
  endpoint TEXT NOT NULL,
  model TEXT NOT NULL,
  alias TEXT NOT NULL,
  status BIGINT NOT NULL,
  finish_reason TEXT NOT NULL,
  error_code TEXT NOT NULL,
  stream BIGINT NOT NULL,
  prompt_tokens BIGINT NOT NULL,
  cached_tokens BIGINT NOT NULL,
  completion_tokens BIGINT NOT NULL,
  reasoning_tokens BIGINT NOT NULL,
  draft_tokens BIGINT NOT NULL,
  accepted_tokens BIGINT NOT NULL,
  queue_ms BIGINT NOT NULL,
  prefill_ms BIGINT NOT NULL,
  decode_ms BIGINT NOT NULL,
  price_in BIGINT NOT NULL,
  price_cached BIGINT NOT NULL,
  price_out BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  end_user TEXT NOT NULL,
  session TEXT NOT NULL,
  client_ip_hash TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS usage_by_key ON usage (key_id, ts_end);
CREATE TABLE IF NOT EXISTS usage_daily (
  date TEXT NOT NULL,
  key_id TEXT NOT NULL,
  model TEXT NOT NULL,
  end_user TEXT NOT NULL,
  requests BIGINT NOT NULL,
  errors BIGINT NOT NULL,
  prompt_tokens BIGINT NOT NULL,
  cached_tokens BIGINT NOT NULL,
  completion_tokens BIGINT NOT NULL,
  reasoning_tokens BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  PRIMARY KEY (date, key_id, model, end_user)
);
CREATE INDEX IF NOT EXISTS usage_daily_by_key ON usage_daily (key_id, date);
)sql";

void make_tables(Sql& sql) {
  Transaction transaction(sql);
  sql.execute(kTables);
  sql.query(
      "INSERT INTO fathom_meta (name, value) VALUES ('schema', $1), ('keys', 0)"
      " ON CONFLICT (name) DO NOTHING",
      {kSchemaVersion});
  transaction.commit();
}

}  // namespace

void require_schema(Sql& sql, const std::string& where) {
  try {
    make_tables(sql);
  } catch (const Error&) {
    make_tables(sql);  // another server was making them: PostgreSQL fails one of the two
  }
  const auto rows = sql.query("SELECT value FROM fathom_meta WHERE name = 'schema'", {});
  const i64 version = rows.empty() ? 0 : integer_of(rows[0][0]);
  if (version == kSchemaVersion) return;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{}: tables of version {}, expected {}: a newer fathom made them",
                          shown_database(where), version, kSchemaVersion));
}

}  // namespace fathom::serve
