#pragma once
// Who asked for what, a line of JSON each, for those who must keep it. Nothing else keeps words.
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "io/files/append_file.h"
#include "io/files/private_directory.h"
#include "io/json.h"
#include "serve/accounts/audit/audit_level.h"

namespace fathom::serve {

struct AuditOptions {
  std::string folder;  // made, and closed to everybody else
  AuditLevel level = AuditLevel::kMetadata;
  i64 days = 30;  // that a file is kept
  std::function<double()> unix_now_s;
};

/// A file a day (UTC), audit-2026-12-31.jsonl, mode 0600.
class AuditLog {
 public:
  /// Throws Error for a folder that is not its own.
  explicit AuditLog(AuditOptions options);
  /// Writes what waits.
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  bool wants_words() const { return options_.level == AuditLevel::kContent; }
  /// Any thread; never waits for the disk. Lines that a full disk keeps out for long are lost, and
  /// the log says so.
  void add(const io::JsonObject& line);

 private:
  void run();
  void write(const std::deque<std::string>& lines);
  void remove_old(const std::string& today) const;

  const AuditOptions options_;
  io::PrivateDirectory folder_;
  // Of the thread alone.
  std::unique_ptr<io::AppendFile> file_;
  std::string date_;
  bool has_failed_ = false;

  Mutex mutex_;
  std::condition_variable_any news_;
  std::deque<std::string> lines_ FATHOM_GUARDED_BY(mutex_);
  bool is_stopping_ FATHOM_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace fathom::serve
