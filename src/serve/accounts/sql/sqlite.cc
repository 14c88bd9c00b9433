#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "serve/accounts/sql/sql.h"

namespace fathom::serve {
namespace {

constexpr int kBusyMs = 5000;  // another process may be writing

class Sqlite : public Sql {
 public:
  explicit Sqlite(const std::string& path) : path_(path) {
    make_private(path);
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(path.c_str(), &database_, kFlags, nullptr);
    try {
      if (code != SQLITE_OK) fail();
      sqlite3_busy_timeout(database_, kBusyMs);
      // A committed transaction outlives the process; of a power cut the last ones may be lost, the
      // file stays whole.
      execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    } catch (...) {
      close();
      throw;
    }
  }
  ~Sqlite() override { close(); }
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;

  void execute(const std::string& statements) override {
    if (sqlite3_exec(database_, statements.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail();
  }

  std::vector<SqlRow> query(const std::string& statement,
                            std::span<const SqlValue> values) override {
    sqlite3_stmt* const prepared = prepare(statement);
    const Reset reset{prepared};
    for (size_t i = 0; i < values.size(); ++i) bind(prepared, i, values[i]);
    std::vector<SqlRow> rows;
    int code = 0;
    while ((code = sqlite3_step(prepared)) == SQLITE_ROW) rows.push_back(row_of(prepared));
    if (code != SQLITE_DONE) fail();
    return rows;
  }

 private:
  struct Reset {
    ~Reset() {
      sqlite3_reset(statement);
      sqlite3_clear_bindings(statement);
    }
    sqlite3_stmt* statement;
  };

  /// Who uses the machine is nobody else's business. One that exists is not opened here: to close
  /// it would end all locks that this process has on it through other connections.
  static void make_private(const std::string& path) {
    const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_CLOEXEC | O_RDWR, 0600);
    if (file >= 0) {
      ::close(file);
    } else if (errno != EEXIST) {
      throw Error(ErrorCode::kIo,
                  fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
    }
  }

  [[noreturn]] void fail() const {
    throw Error(ErrorCode::kIo, fmt::format("{}: {}", path_, sqlite3_errmsg(database_)));
  }

  sqlite3_stmt* prepare(const std::string& statement) {
    sqlite3_stmt*& prepared = prepared_[statement];
    if (prepared != nullptr) return prepared;
    const auto size = static_cast<int>(statement.size());
    if (sqlite3_prepare_v2(database_, statement.c_str(), size, &prepared, nullptr) != SQLITE_OK) {
      fail();
    }
    return prepared;
  }

  void bind(sqlite3_stmt* prepared, size_t i, const SqlValue& value) const {
    const int at = sqlite3_bind_parameter_index(prepared, fmt::format("${}", i + 1).c_str());
    int code = SQLITE_OK;
    if (const i64* const integer = std::get_if<i64>(&value)) {
      code = sqlite3_bind_int64(prepared, at, *integer);
    } else if (const std::string* const text = std::get_if<std::string>(&value)) {
      code = sqlite3_bind_text64(prepared, at, text->data(), text->size(), SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
    } else {
      code = sqlite3_bind_null(prepared, at);
    }
    if (code != SQLITE_OK) fail();
  }

  static SqlRow row_of(sqlite3_stmt* prepared) {
    SqlRow row;
    for (int i = 0; i < sqlite3_column_count(prepared); ++i) {
      switch (sqlite3_column_type(prepared, i)) {
        case SQLITE_NULL:
          row.emplace_back();
          break;
        case SQLITE_INTEGER:
          row.emplace_back(i64{sqlite3_column_int64(prepared, i)});
          break;
        default: {
          const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(prepared, i));
          row.emplace_back(
              std::string(text, static_cast<size_t>(sqlite3_column_bytes(prepared, i))));
        }
      }
    }
    return row;
  }

  void close() {
    for (const auto& [statement, prepared] : prepared_) sqlite3_finalize(prepared);
    sqlite3_close(database_);
  }

  std::string path_;
  sqlite3* database_ = nullptr;
  std::unordered_map<std::string, sqlite3_stmt*> prepared_;
};

}  // namespace

std::unique_ptr<Sql> open_sqlite(const std::string& path) { return std::make_unique<Sqlite>(path); }

}  // namespace fathom::serve
