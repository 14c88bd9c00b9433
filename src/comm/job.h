#pragma once
// What all groups of one rank share: the options of the job, where it is, its last operations, what
// it moved.
#include <string>

#include "base/error.h"
#include "base/mutex.h"
#include "comm/op_log.h"

namespace fathom::comm {

/// The exit code of a program that ends because ranks of its job were lost: start it again, it will
/// resume.
inline constexpr int kExitLostRanks = 3;

/// A rank is missing, failed, or ended the job: thrown by every operation that waits for it. No
/// operation of the job works afterwards.
class LostRanks : public Error {
 public:
  explicit LostRanks(std::string message) : Error(ErrorCode::kIo, std::move(message)) {}
};

/// Ranks called different operations, or the same with different sizes: our bug, found by
/// JobOptions::debug or by a message whose size is not the expected one.
class Mismatch : public Error {
 public:
  explicit Mismatch(std::string message) : Error(ErrorCode::kInternal, std::move(message)) {}
};

struct JobOptions {
  /// For how long an operation may wait for other ranks. It counts from wait() on, so compute
  /// between start and wait does not use it up; what differs from rank to rank at start-up belongs
  /// in front of a barrier with set_deadline().
  double deadline_s = 600;
  /// Before every collective the ranks compare operation, sequence number, bytes and place of the
  /// call.
  bool debug = false;
  /// Where hang-<rank>.json is written when a deadline expires; empty: nowhere.
  std::string hang_directory = ".";
  /// node_of(rank) = rank / ranks_per_node; 0: what the engine knows (ranks that share memory).
  int ranks_per_node = 0;
};

/// Bytes and time since the start of the job, of one rank over all its groups.
struct Traffic {
  i64 operations = 0;
  i64 sent_bytes = 0;      ///< to other ranks
  i64 received_bytes = 0;  ///< from other ranks
  i64 network_bytes = 0;   ///< of sent_bytes, to ranks of other nodes
  double wait_s = 0;       ///< within wait(): what the exchange did not hide
  double exchange_s = 0;   ///< from start to the end of wait(), overlapping ones added up
};

/// Thread-safe.
class Job {
 public:
  Job(int rank, int size, JobOptions options);
  int rank() const { return rank_; }
  int size() const { return size_; }
  const JobOptions& options() const { return options_; }
  double deadline_s() const;
  void set_deadline(double seconds);
  void set_place(Place place);
  Traffic traffic() const;

  /// The number of a new record.
  i64 begin(OpRecord record);
  void end(i64 number, i64 received_bytes, double wait_s);
  /// Writes hang-<rank>.json, with `missing` of operation `number`; returns its path, or "" where
  /// none is written.
  std::string write_hang_report(i64 number, i64 received_bytes, std::vector<int> missing);

 private:
  const int rank_, size_;
  const JobOptions options_;
  mutable Mutex mutex_;
  double deadline_s_ FATHOM_GUARDED_BY(mutex_);
  Place place_ FATHOM_GUARDED_BY(mutex_);
  Traffic traffic_ FATHOM_GUARDED_BY(mutex_);
  OpLog log_ FATHOM_GUARDED_BY(mutex_);
};

}  // namespace fathom::comm
