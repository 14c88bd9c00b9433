#include "serve/accounts/sql/sql.h"

#include "base/error.h"

namespace fathom::serve {

i64 integer_of(const SqlValue& value) {
  const i64* const integer = std::get_if<i64>(&value);
  return integer == nullptr ? 0 : *integer;
}

const std::string& text_of(const SqlValue& value) {
  static const std::string kEmpty;
  const std::string* const text = std::get_if<std::string>(&value);
  return text == nullptr ? kEmpty : *text;
}

bool is_postgres(std::string_view where) {
  return where.starts_with("postgresql://") || where.starts_with("postgres://");
}

std::string shown_database(const std::string& where) {
  if (!is_postgres(where)) return where;
  const size_t host = where.find("://") + 3;
  const size_t at = where.substr(0, where.find('/', host)).rfind('@');
  if (at == std::string::npos) return where.substr(0, where.find('?'));
  const size_t colon = where.find(':', host);
  const size_t user_end = colon < at ? colon : at;
  return where.substr(0, user_end) + where.substr(at, where.find('?') - at);
}

std::unique_ptr<Sql> open_sql(const std::string& where) {
  return is_postgres(where) ? open_postgres(where) : open_sqlite(where);
}

Transaction::~Transaction() {
  if (!is_open_) return;
  try {
    sql_.execute("ROLLBACK");
  } catch (const Error&) {  // a lost connection has forgotten it anyway
  }
}

void Transaction::commit() {
  sql_.execute("COMMIT");
  is_open_ = false;
}

}  // namespace fathom::serve
