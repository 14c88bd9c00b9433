#pragma once
// The thread of the disk tier: what is slow about files happens here.
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/types.h"
#include "engine/cache/chain_key.h"
#include "engine/cache/page_file.h"

namespace fathom::engine {

/// Writes and removes files of one directory in the order in which it is told to, and between that
/// looks at the files that were there before. What it has done it reports;
/// whoever asks takes the reports. Every call is for one thread other than its own, and none
/// waits for the disk but wait_idle() and the destructor.
class DiskWorker {
 public:
  struct Report {
    enum class Kind { kWritten, kNotWritten, kFound };
    Kind kind;
    std::string name;    // of the file
    u64 job = 0;         // what write() returned
    PageFileInfo found;  // with kFound
    std::string error;   // with kNotWritten
  };

  /// `queue_bytes` bound the rows that wait to be written; one page may always wait.
  DiskWorker(std::filesystem::path directory, const RowFormat& format, const ChainSecret& secret,
             i64 queue_bytes);
  /// Finishes what it was told, and does not look further.
  ~DiskWorker();
  DiskWorker(const DiskWorker&) = delete;
  DiskWorker& operator=(const DiskWorker&) = delete;

  /// Whether the queue takes a page of so many tokens; until write() it goes on to do so.
  bool has_room(i64 tokens);
  /// Copies the page's rows out of `data` [layers, kPageTokens, row]. Needs has_room(). Returns the
  /// job's number, which no other has.
  u64 write(const StoredPage& page, const u8* data);
  void remove(std::string name);

  /// The oldest reports that have not been taken, at most `max_reports`, in order.
  std::vector<Report> take_reports(i64 max_reports);
  /// Whether every file of the directory has been looked at, and no report is left.
  bool is_scanned();
  /// Until everything is done, the look at the directory too.
  void wait_idle();

 private:
  struct Job {
    std::string name;
    StoredPage page;
    std::vector<u8> rows;  // none: remove the file
    u64 number = 0;
  };

  void run();
  /// The next job; one without a name: look at one more file.
  bool next(Job* job);
  void finish(Job& job, const Report* report);
  Report write_file(const Job& job) const;
  void look_at_one();
  void list_files();

  const std::filesystem::path directory_;
  const RowFormat format_;
  const i64 queue_bytes_;
  u64 num_writes_ = 0;  // the caller's own
  ChainHasher hasher_;  // the thread's own, like to_scan_
  std::vector<std::string> to_scan_;
  bool has_looked_ = false;  // instead of doing a job, last time

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> jobs_ FATHOM_GUARDED_BY(mutex_);
  std::vector<std::vector<u8>> free_rows_ FATHOM_GUARDED_BY(mutex_);  // used again
  std::deque<Report> reports_ FATHOM_GUARDED_BY(mutex_);
  i64 queued_bytes_ FATHOM_GUARDED_BY(mutex_) = 0;
  bool is_busy_ FATHOM_GUARDED_BY(mutex_) = false;
  bool is_scanned_ FATHOM_GUARDED_BY(mutex_) = false;
  bool is_closing_ FATHOM_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // the last: it uses all above
};

}  // namespace fathom::engine
