#pragma once
// The one thread of a process that calls MPI (MPI_THREAD_FUNNELED). It takes work from a queue and polls what is under
// way, so that exchanges go on while other threads compute. MPI-3.1 calls only, so Open MPI 4.1 and MPICH both do.
#include <mpi.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "comm/transport.h"

namespace fathom::comm {

/// An exchange as MPI sees it: a message of more than kPieceBytes is several. Only the MPI thread touches it before
/// `ended`; whoever has seen that may read the rest.
struct MpiExchange {
  Exchange* exchange = nullptr;  ///< null once withdrawn
  std::vector<MPI_Request> requests;
  struct Piece {
    size_t transfer;
    int bytes;
  };
  std::vector<Piece> pieces;  ///< of each request
  std::vector<int> left;      ///< pieces of each transfer that are not done
  size_t open = 0;            ///< requests that are not done
  std::string error;          ///< MPI's words if one failed
  bool wrong_size = false;    ///< ... because the message had another size
  std::atomic<bool> ended{false};
};

class MpiThread {
 public:
  /// Counts of MPI-3.1 are int.
  static constexpr i64 kPieceBytes = i64{1} << 30;

  /// What the MPI library says of this process.
  struct World {
    MPI_Comm comm = MPI_COMM_NULL;
    int rank = 0, size = 1;
    std::vector<int> nodes;  ///< of each rank
  };

  /// Starts the thread and initialises MPI in it. Throws kIo if MPI does not start.
  static std::shared_ptr<MpiThread> start();
  const World& world() const { return world_; }

  void post(MPI_Comm comm, Exchange& exchange);
  bool wait(Exchange& exchange, Clock::time_point deadline);
  void withdraw(Exchange& exchange) noexcept;
  /// The group of these ranks of `comm`; all of them call it.
  MPI_Comm subgroup(MPI_Comm comm, std::span<const int> members);
  /// Logs the reason and ends all processes of the job, this one too, with kExitLostRanks.
  [[noreturn]] void abort(const std::string& reason) noexcept;
  /// MPI_Finalize, which waits for the others; after `limit_s` the process ends with kExitLostRanks.
  void finalize(double limit_s);
  /// Without a word to the others: this process is about to end with an error.
  void leave();

 private:
  using Task = std::function<void()>;
  /// Runs `task` in the MPI thread and waits for its end; false: not within `limit_s`.
  bool run(const Task& task, double limit_s);
  void enqueue(Task task);
  void loop();
  void initialize();
  bool take_tasks();
  void begin(MPI_Comm comm, const std::shared_ptr<MpiExchange>& state);
  /// True: something was done.
  bool poll();
  void poll_one(MpiExchange& state);
  void fail(MpiExchange& state, int code);
  void sleep_until_needed(bool busy);

  World world_;
  std::string start_error_;
  std::vector<std::shared_ptr<MpiExchange>> active_;  // of the MPI thread alone
  std::vector<int> completed_;
  std::vector<MPI_Status> statuses_;

  Mutex mutex_;
  std::condition_variable_any work_, changed_;
  std::deque<Task> tasks_ FATHOM_GUARDED_BY(mutex_);
  int waiters_ FATHOM_GUARDED_BY(mutex_) = 0;
  bool started_ FATHOM_GUARDED_BY(mutex_) = false;
  bool ending_ FATHOM_GUARDED_BY(mutex_) = false;
};

}  // namespace fathom::comm
