#include "serve/accounts/books.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "serve/accounts/keys/key_table.h"
#include "serve/accounts/sql/schema.h"

namespace fathom::serve {
namespace {

i64 unix_now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void require_word(const char* field, const std::string& text) {
  const bool is_word = !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return c > ' ' && c != 0x7f;
  });
  if (is_word) return;
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("{}: found \"{}\", expected a word without spaces", field, printable(text)));
}

}  // namespace

NewKey make_key(const std::string& name, KeyConfig& config) {
  require_word("name", name);
  for (const std::string& model : config.models) require_word("models", model);
  NewKey made = {.secret = make_secret()};
  config.sha256 = to_hex(digest_of(made.secret));
  config.shown = shown_part(made.secret);
  Problems problems;
  config.check("", problems);
  if (!problems.empty()) throw problems.error("key");
  made.key = static_key(name, config);
  made.key.is_static = false;
  made.key.created_s = unix_now_s();
  return made;
}

std::unique_ptr<Sql> Books::open() const {
  auto sql = open_sql(database_);
  require_schema(*sql, database_);
  return sql;
}

std::unique_ptr<Sql> Books::open_existing() const {
  if (!is_postgres(database_) && !std::filesystem::exists(database_)) {
    throw Error(ErrorCode::kNotFound,
                database_ + ": there is no such database; `fathom keys add` and a server make one");
  }
  return open();
}

std::vector<UsageLine> Books::usage(const UsageQuery& query) const {
  return usage_report(*open_existing(), query);
}

std::vector<Key> Books::keys() const { return read_keys(*open_existing()); }

NewKey Books::add_key(const std::string& name, KeyConfig config) const {
  NewKey made = make_key(name, config);
  insert_key(*open(), made.key);
  return made;
}

bool Books::revoke_key(const std::string& which) const {
  return serve::revoke_key(*open_existing(), which, unix_now_s());
}

std::string Books::key_id_of(const std::string& which) const {
  for (const Key& key : keys()) {
    if (key.name == which || key.id == which) return key.id;
  }
  throw Error(ErrorCode::kNotFound, fmt::format("there is no key {}", printable(which)));
}

}  // namespace fathom::serve
