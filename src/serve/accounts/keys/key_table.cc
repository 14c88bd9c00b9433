#include "serve/accounts/keys/key_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "base/error.h"

namespace fathom::serve {
namespace {

constexpr double kPartsOfWeight = 1e6;

constexpr const char* kSelect =
    "SELECT key_id, name, sha256, shown, is_static, enabled, expires_s, models, admin, priority,"
    " weight_ppm, requests_per_minute, tokens_per_minute, max_parallel, quota_tokens, budget,"
    " period, created_s, revoked_s FROM api_keys ORDER BY revoked_s, created_s, key_id";

constexpr const char* kInsert =
    "INSERT INTO api_keys (key_id, name, sha256, shown, is_static, enabled, expires_s, models,"
    " admin, priority, weight_ppm, requests_per_minute, tokens_per_minute, max_parallel,"
    " quota_tokens, budget, period, created_s, revoked_s) VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
    " $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";

/// Names of models hold no spaces.
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

Key key_of(const SqlRow& row) {
  Key key{.id = text_of(row[0]), .name = text_of(row[1]), .shown = text_of(row[3])};
  from_hex(text_of(row[2]), key.digest);
  key.is_static = integer_of(row[4]) != 0;
  KeySettings& settings = key.settings;
  settings.is_enabled = integer_of(row[5]) != 0;
  settings.expires_s = integer_of(row[6]);
  settings.models = split(text_of(row[7]));
  settings.is_admin = integer_of(row[8]) != 0;
  settings.priority = integer_of(row[9]);
  settings.weight = static_cast<double>(integer_of(row[10])) / kPartsOfWeight;
  settings.requests_per_minute = integer_of(row[11]);
  settings.tokens_per_minute = integer_of(row[12]);
  settings.max_parallel = integer_of(row[13]);
  settings.quota_tokens = integer_of(row[14]);
  settings.budget = integer_of(row[15]);
  parse_period(text_of(row[16]), settings.period);
  key.created_s = integer_of(row[17]);
  key.revoked_s = integer_of(row[18]);
  return key;
}

std::vector<SqlValue> values_of(const Key& key) {
  const KeySettings& s = key.settings;
  return {key.id,
          key.name,
          to_hex(key.digest),
          key.shown,
          i64{key.is_static},
          i64{s.is_enabled},
          s.expires_s,
          fmt::format("{}", fmt::join(s.models, " ")),
          i64{s.is_admin},
          s.priority,
          i64{std::llround(s.weight * kPartsOfWeight)},
          s.requests_per_minute,
          s.tokens_per_minute,
          s.max_parallel,
          s.quota_tokens,
          s.budget,
          std::string(period_name(s.period)),
          key.created_s,
          key.revoked_s};
}

void count_change(Sql& sql) {
  sql.query("UPDATE fathom_meta SET value = value + 1 WHERE name = 'keys'", {});
}

}  // namespace

std::vector<Key> read_keys(Sql& sql) {
  std::vector<Key> keys;
  for (const SqlRow& row : sql.query(kSelect, {})) keys.push_back(key_of(row));
  return keys;
}

void insert_key(Sql& sql, const Key& key) {
  Transaction transaction(sql);
  count_change(sql);  // first: of two that add the same name one waits here for the other
  const auto same =
      sql.query("SELECT shown FROM api_keys WHERE name = $1 AND revoked_s = 0", {key.name});
  if (!same.empty()) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format(
            "there is a key named {} already ({}...): revoke it first, or take another name",
            key.name, text_of(same[0][0])));
  }
  sql.query(kInsert, values_of(key));
  transaction.commit();
}

bool revoke_key(Sql& sql, std::string_view which, i64 now_s) {
  Transaction transaction(sql);
  count_change(sql);
  const std::string text(which);
  const auto found = sql.query(
      "SELECT key_id FROM api_keys WHERE revoked_s = 0 AND is_static = 0"
      " AND (name = $1 OR key_id = $1 OR shown = $1)",
      {text});
  for (const SqlRow& row : found) {
    sql.query("UPDATE api_keys SET revoked_s = $1 WHERE key_id = $2", {now_s, text_of(row[0])});
  }
  transaction.commit();
  return !found.empty();
}

void note_static_keys(Sql& sql, std::span<const Key> keys) {
  Transaction transaction(sql);
  for (const Key& key : keys) {
    sql.query("DELETE FROM api_keys WHERE key_id = $1 AND is_static = 1", {key.id});
    sql.query(std::string(kInsert) + " ON CONFLICT (key_id) DO NOTHING", values_of(key));
  }
  transaction.commit();
}

i64 keys_version(Sql& sql) {
  const auto rows = sql.query("SELECT value FROM fathom_meta WHERE name = 'keys'", {});
  return rows.empty() ? 0 : integer_of(rows[0][0]);
}

}  // namespace fathom::serve
