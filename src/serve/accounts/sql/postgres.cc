#include <fmt/format.h>

#include <charconv>
#include <unordered_map>

#include "base/error.h"
#include "serve/accounts/sql/sql.h"

#if FATHOM_HAS_POSTGRES
#include <libpq-fe.h>
#endif

namespace fathom::serve {

#if FATHOM_HAS_POSTGRES
namespace {

/// Types of result columns that hold integers (pg_type.dat).
constexpr Oid kInt8 = 20, kInt4 = 23;

struct FreeResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, FreeResult>;

class Postgres : public Sql {
 public:
  explicit Postgres(const std::string& url) : shown_(shown_database(url)) {
    // A server that does not answer holds up whoever writes for seconds, not for minutes. The URL
    // stands last: what it says goes before.
    const char* const names[] = {"connect_timeout",  "tcp_user_timeout", "options",
                                 "application_name", "dbname",           nullptr};
    const char* const values[] = {
        "5",      "10000",     "-c statement_timeout=20000 -c client_min_messages=warning",
        "fathom", url.c_str(), nullptr};
    connection_ = PQconnectdbParams(names, values, /*expand_dbname=*/1);
    if (PQstatus(connection_) != CONNECTION_OK) {
      const std::string reason = message();
      PQfinish(connection_);
      throw Error(ErrorCode::kIo, fmt::format("{}: {}", shown_, reason));
    }
  }
  ~Postgres() override { PQfinish(connection_); }
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  void execute(const std::string& statements) override {
    const PgResult result(PQexec(connection_, statements.c_str()));
    check(result.get());
  }

  std::vector<SqlRow> query(const std::string& statement,
                            std::span<const SqlValue> values) override {
    std::vector<std::string> numbers(values.size());
    std::vector<const char*> pointers(values.size(), nullptr);
    for (size_t i = 0; i < values.size(); ++i) {
      if (const i64* const integer = std::get_if<i64>(&values[i])) {
        numbers[i] = fmt::format("{}", *integer);
        pointers[i] = numbers[i].c_str();
      } else if (const std::string* const text = std::get_if<std::string>(&values[i])) {
        pointers[i] = text->c_str();
      }
    }
    const PgResult result(PQexecPrepared(connection_, prepare(statement).c_str(),
                                         static_cast<int>(values.size()), pointers.data(), nullptr,
                                         nullptr, /*resultFormat=*/0));
    check(result.get());
    return rows_of(result.get());
  }

 private:
  /// libpq's words on one line.
  std::string message() const {
    std::string text = PQerrorMessage(connection_);
    while (text.ends_with('\n')) text.pop_back();
    for (char& c : text) {
      if (c == '\n' || c == '\t') c = ' ';
    }
    return text;
  }

  void check(const PGresult* result) const {
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return;
    throw Error(ErrorCode::kIo, fmt::format("{}: {}", shown_, message()));
  }

  const std::string& prepare(const std::string& statement) {
    const auto found = prepared_.find(statement);
    if (found != prepared_.end()) return found->second;
    const std::string name = fmt::format("fathom_{}", prepared_.size());
    const PgResult result(PQprepare(connection_, name.c_str(), statement.c_str(), 0, nullptr));
    check(result.get());
    return prepared_.emplace(statement, name).first->second;
  }

  static std::vector<SqlRow> rows_of(const PGresult* result) {
    std::vector<SqlRow> rows(static_cast<size_t>(PQntuples(result)));
    for (int y = 0; y < PQntuples(result); ++y) {
      for (int x = 0; x < PQnfields(result); ++x) {
        rows[static_cast<size_t>(y)].push_back(value_of(result, y, x));
      }
    }
    return rows;
  }

  static SqlValue value_of(const PGresult* result, int y, int x) {
    if (PQgetisnull(result, y, x) != 0) return {};
    const std::string text(PQgetvalue(result, y, x),
                           static_cast<size_t>(PQgetlength(result, y, x)));
    const Oid type = PQftype(result, x);
    if (type != kInt8 && type != kInt4) return text;
    i64 integer = 0;
    std::from_chars(text.data(), text.data() + text.size(), integer);
    return integer;
  }

  std::string shown_;
  PGconn* connection_ = nullptr;
  std::unordered_map<std::string, std::string> prepared_;  // statement -> its name
};

}  // namespace

std::unique_ptr<Sql> open_postgres(const std::string& url) {
  return std::make_unique<Postgres>(url);
}

#else

std::unique_ptr<Sql> open_postgres(const std::string& url) {
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{}: this fathom was built without PostgreSQL; install libpq-dev and "
                          "build again, or name a file for SQLite",
                          shown_database(url)));
}

#endif

}  // namespace fathom::serve
