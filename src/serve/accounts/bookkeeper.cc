#include "serve/accounts/bookkeeper.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/log.h"
#include "serve/accounts/keys/key_table.h"
#include "serve/accounts/sql/schema.h"
#include "serve/accounts/usage/usage_table.h"

namespace fathom::serve {
namespace {

constexpr size_t kBatchRows = 2000;
constexpr i64 kUnread = -1;
constexpr double kFirstRetryS = 0.5, kLongestRetryS = 10;

std::unique_ptr<Sql> open(const std::string& where) {
  auto sql = open_sql(where);
  require_schema(*sql, where);
  return sql;
}

}  // namespace

Bookkeeper::Bookkeeper(BookkeeperOptions options, KeyBook& book, Limits& limits)
    : options_(std::move(options)), book_(book), limits_(limits), sql_(open(options_.database)) {
  read();
  thread_ = std::thread([this] { run(); });
}

Bookkeeper::~Bookkeeper() {
  {
    const Lock lock(mutex_);
    is_stopping_ = true;
  }
  news_.notify_all();
  thread_.join();
}

void Bookkeeper::add(UsageRow row) {
  const Lock lock(mutex_);
  if (rows_.size() >= options_.max_rows) {
    ++lost_rows_;
    limits_.written(row.key_id, row.tokens(), row.cost, row.end_ms / 1000);
    return;
  }
  rows_.push_back(std::move(row));
}

bool Bookkeeper::flush(double seconds) {
  Lock lock(mutex_);
  is_flush_wanted_ = true;
  news_.notify_all();
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  while (!rows_.empty()) {
    if (written_.wait_until(mutex_, end) == std::cv_status::timeout) return rows_.empty();
  }
  return true;
}

void Bookkeeper::read_again() {
  {
    const Lock lock(mutex_);
    is_read_wanted_ = true;
  }
  news_.notify_all();
}

BookkeeperHealth Bookkeeper::health() const {
  const Lock lock(mutex_);
  return {.waiting_rows = static_cast<i64>(rows_.size()),
          .lost_rows = lost_rows_,
          .is_database_up = is_up_};
}

double Bookkeeper::pause_s() const { return std::max(options_.write_every_s, retry_s_); }

void Bookkeeper::run() {
  bool is_last = false;
  while (!is_last) {
    {
      Lock lock(mutex_);
      const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                          std::chrono::duration<double>(pause_s()));
      while (!is_stopping_ && !is_flush_wanted_ && !is_read_wanted_) {
        if (news_.wait_until(mutex_, end) == std::cv_status::timeout) break;
      }
      if (is_read_wanted_) keys_version_ = kUnread, read_at_s_ = 0;
      is_flush_wanted_ = is_read_wanted_ = false;
      is_last = is_stopping_;
    }
    work();
  }
}

/// One round. Whatever the database refuses is tried again in the next one, on a new connection.
void Bookkeeper::work() {
  try {
    if (sql_ == nullptr) sql_ = open(options_.database);
    while (write_batch()) {
    }
    if (options_.unix_now_s() >= read_at_s_) read();
    note_success();
  } catch (const std::exception& error) {
    sql_.reset();
    note_failure(error.what());
  }
}

/// False: nothing was left.
bool Bookkeeper::write_batch() {
  std::vector<UsageRow> batch;
  {
    const Lock lock(mutex_);
    const size_t size = std::min(rows_.size(), kBatchRows);
    batch.assign(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(size));
  }
  if (batch.empty()) return false;
  write_usage(*sql_, batch);
  for (const UsageRow& row : batch) {
    limits_.written(row.key_id, row.tokens(), row.cost, row.end_ms / 1000);
  }
  {
    const Lock lock(mutex_);
    rows_.erase(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(batch.size()));
  }
  written_.notify_all();
  return true;
}

void Bookkeeper::read() {
  read_keys_if_changed();
  read_totals();
  read_at_s_ = options_.unix_now_s() + options_.read_every_s;
}

void Bookkeeper::read_keys_if_changed() {
  const i64 version = keys_version(*sql_);
  if (version == keys_version_) return;
  if (keys_version_ == kUnread) note_static_keys(*sql_, book_.static_keys());
  std::vector<Key> keys = read_keys(*sql_);
  std::erase_if(keys, [](const Key& key) { return key.is_static; });  // the file says which
  book_.set_created(std::move(keys));
  limits_.set_keys(book_.all(), options_.unix_now_s());
  keys_version_ = version;
}

void Bookkeeper::read_totals() {
  const double now_s = options_.unix_now_s();
  for (const auto& [key, period] : limits_.with_periods()) {
    limits_.set_totals(key, period_totals(*sql_, key, period, static_cast<i64>(now_s)), now_s);
  }
}

void Bookkeeper::note_failure(const std::string& reason) {
  retry_s_ = std::clamp(2 * retry_s_, kFirstRetryS, kLongestRetryS);
  const Lock lock(mutex_);
  if (is_up_) log::error("usage is not written, {} rows wait: {}", rows_.size(), reason);
  is_up_ = false;
}

void Bookkeeper::note_success() {
  retry_s_ = 0;
  const Lock lock(mutex_);
  if (!is_up_) log::info("usage is written again");
  is_up_ = true;
}

}  // namespace fathom::serve
