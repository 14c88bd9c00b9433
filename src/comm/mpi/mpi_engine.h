#pragma once
// MPI in one process (MPI-3.1 calls only, so Open MPI 4.1 and MPICH both do). One thread at a time
// calls it (MPI_THREAD_SERIALIZED): whoever waits polls, which costs no change of threads; while
// nobody waits and something is under way a communication thread does, so that exchanges go on
// beside compute.
#include <mpi.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "comm/transport.h"

namespace fathom::comm {

/// An exchange as MPI sees it: a message of more than kPieceBytes is several. Touched under the
/// engine's lock before `ended`; whoever has seen that may read the rest.
struct MpiExchange {
  Exchange* exchange = nullptr;
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

class MpiEngine {
 public:
  /// What the MPI library says of this process.
  struct World {
    MPI_Comm comm = MPI_COMM_NULL;
    int rank = 0, size = 1;
    std::vector<int> nodes;  ///< of each rank
  };

  /// Initialises MPI and starts the communication thread. Throws kIo if MPI does not start.
  static std::shared_ptr<MpiEngine> start();
  const World& world() const { return world_; }

  void post(MPI_Comm comm, Exchange& exchange);
  bool wait(Exchange& exchange, Clock::time_point deadline);
  bool test(Exchange& exchange);
  void withdraw(Exchange& exchange) noexcept;
  /// The group of these ranks of `comm`; all of them call it.
  MPI_Comm subgroup(MPI_Comm comm, std::span<const int> members);
  /// Logs the reason and ends all processes of the job, this one too, with kExitLostRanks.
  [[noreturn]] void abort(const std::string& reason) noexcept;
  /// MPI_Finalize, which waits for the others; after `limit_s` the process ends with
  /// kExitLostRanks.
  void finalize(double limit_s);
  /// Without a word to the others: this process is about to end with an error.
  void leave();

 private:
  using Task = std::function<void()>;
  /// Runs `task` in the communication thread and waits for its end; false: not within `limit_s`.
  bool run(const Task& task, double limit_s);
  void loop();
  void initialize() FATHOM_REQUIRES(mpi_);
  bool take_tasks();
  void sleep_until_needed();
  void begin(MPI_Comm comm, MpiExchange& state) FATHOM_REQUIRES(mpi_);
  /// Looks at everything that is under way. True: something was done.
  bool poll() FATHOM_REQUIRES(mpi_);
  void poll_one(MpiExchange& state) FATHOM_REQUIRES(mpi_);
  /// True: it ended well. False: it goes on. Throws what it failed with.
  static bool outcome(const MpiExchange& state);

  World world_;
  std::string start_error_;

  Mutex mpi_;  // held around every call of MPI
  std::vector<std::shared_ptr<MpiExchange>> active_ FATHOM_GUARDED_BY(mpi_);
  std::vector<int> completed_ FATHOM_GUARDED_BY(mpi_);
  std::vector<MPI_Status> statuses_ FATHOM_GUARDED_BY(mpi_);
  std::atomic<bool> busy_{false};    // active_ is not empty
  std::atomic<bool> asleep_{false};  // the communication thread wants to be woken
  Clock::time_point last_busy_;      // of the communication thread alone
  bool oversubscribed_ = false;      // more ranks than CPUs on this node
  std::atomic<int> waiters_{0};

  Mutex mutex_;
  std::condition_variable_any work_, changed_;
  std::deque<Task> tasks_ FATHOM_GUARDED_BY(mutex_);
  bool started_ FATHOM_GUARDED_BY(mutex_) = false;
  bool ending_ FATHOM_GUARDED_BY(mutex_) = false;
};

}  // namespace fathom::comm
