#pragma once
// Two databases under one small interface: SQLite for one server, PostgreSQL for several.
// Statements are written in what both understand; parameters are $1, $2, ...
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/types.h"

namespace fathom::serve {

using SqlValue = std::variant<std::monostate, i64, std::string>;  // NULL, an integer, a text
using SqlRow = std::vector<SqlValue>;

/// One connection, for one thread at a time. Everything throws Error{kIo} that names the database
/// and its own words; after that a transaction is to be rolled back, and a PostgreSQL connection
/// may have to be opened anew.
class Sql {
 public:
  virtual ~Sql() = default;
  /// Statements without parameters, separated by semicolons.
  virtual void execute(const std::string& statements) = 0;
  /// One statement, prepared once for all times that it is run.
  virtual std::vector<SqlRow> query(const std::string& statement,
                                    std::span<const SqlValue> values) = 0;

  std::vector<SqlRow> query(const std::string& statement, std::initializer_list<SqlValue> values) {
    return query(statement, std::span<const SqlValue>(values.begin(), values.size()));
  }
};

/// Of a row: NULL is 0 or "".
i64 integer_of(const SqlValue& value);
const std::string& text_of(const SqlValue& value);

/// "postgresql://..." or "postgres://...", else a file of SQLite, which is made readable for its
/// owner alone. kUnsupported: built without libpq.
std::unique_ptr<Sql> open_sql(const std::string& where);
bool is_postgres(std::string_view where);
/// The address without its password: for messages.
std::string shown_database(const std::string& where);

std::unique_ptr<Sql> open_sqlite(const std::string& path);
std::unique_ptr<Sql> open_postgres(const std::string& url);

/// Everything in between is there as a whole or not at all.
class Transaction {
 public:
  explicit Transaction(Sql& sql) : sql_(sql) { sql_.execute("BEGIN"); }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Sql& sql_;
  bool is_open_ = true;
};

}  // namespace fathom::serve
