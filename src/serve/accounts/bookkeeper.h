#pragma once
// The one thread that talks to the database: it writes rows of usage, and reads keys and totals.
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "serve/accounts/keys/key_book.h"
#include "serve/accounts/limits/limits.h"
#include "serve/accounts/sql/sql.h"
#include "serve/accounts/usage/usage_row.h"

namespace fathom::serve {

struct BookkeeperOptions {
  std::string database;        // see open_sql()
  size_t max_rows = 100'000;   // that wait while the database is away; later ones are lost
  double write_every_s = 0.5;  // so that a kill loses less than a second
  double read_every_s = 2;     // keys, and what other servers wrote
  std::function<double()> unix_now_s;
};

/// For an alarm: rows that wait, rows that were lost, and whether the database answers.
struct BookkeeperHealth {
  i64 waiting_rows = 0;
  i64 lost_rows = 0;
  bool is_database_up = false;
};

class Bookkeeper {
 public:
  /// Opens the database, makes its tables and reads keys and totals: throws Error if that fails, as
  /// a server with the wrong address should not start. Later failures are waited out.
  Bookkeeper(BookkeeperOptions options, KeyBook& book, Limits& limits);
  /// Writes what waits, with one try.
  ~Bookkeeper();
  Bookkeeper(const Bookkeeper&) = delete;
  Bookkeeper& operator=(const Bookkeeper&) = delete;

  /// Any thread; never waits for the database.
  void add(UsageRow row);
  /// Waits until every row that was added before is written; false: not within `seconds`.
  bool flush(double seconds);
  /// Keys and totals are read again soon.
  void read_again();
  BookkeeperHealth health() const;

 private:
  void run();
  void work();
  bool write_batch();
  void read();
  void read_keys_if_changed();
  void read_totals();
  void note_failure(const std::string& reason);
  void note_success();
  double pause_s() const;

  const BookkeeperOptions options_;
  KeyBook& book_;
  Limits& limits_;

  // Of the thread alone, once it runs.
  std::unique_ptr<Sql> sql_;
  i64 keys_version_ = -1;
  double read_at_s_ = 0;
  double retry_s_ = 0;  // 0: the database answers

  mutable Mutex mutex_;
  std::condition_variable_any news_, written_;
  std::deque<UsageRow> rows_ FATHOM_GUARDED_BY(mutex_);
  i64 lost_rows_ FATHOM_GUARDED_BY(mutex_) = 0;
  bool is_up_ FATHOM_GUARDED_BY(mutex_) = true;
  bool is_stopping_ FATHOM_GUARDED_BY(mutex_) = false;
  bool is_flush_wanted_ FATHOM_GUARDED_BY(mutex_) = false;
  bool is_read_wanted_ FATHOM_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace fathom::serve
