// Starting, ending and the communication thread; mpi_exchange.cc moves the messages.
#if FATHOM_HAS_MPI
#include "comm/mpi/mpi_engine.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "comm/job.h"

namespace fathom::comm {
namespace {

/// How long the communication thread sleeps between two looks: compute has the cores meanwhile.
constexpr auto kPollEvery = std::chrono::microseconds(50);
/// ... while somebody waits and so polls himself, or nothing is under way.
constexpr auto kLookEvery = std::chrono::microseconds(500);
/// After so long with nothing under way it sleeps until it is woken.
constexpr auto kRestAfter = std::chrono::milliseconds(50);
/// Other ranks' deadlines are about as old: time to write their own reports.
constexpr auto kGrace = std::chrono::milliseconds(1000);
constexpr double kAnswerS = 2;

}  // namespace

std::shared_ptr<MpiEngine> MpiEngine::start() {
  auto engine = std::make_shared<MpiEngine>();
  // Detached, and kept alive by itself: a thread that hangs within MPI must not keep the process
  // from ending.
  std::thread([engine] { engine->loop(); }).detach();
  const Lock lock(engine->mutex_);
  while (!engine->started_) engine->changed_.wait(engine->mutex_);
  if (!engine->start_error_.empty()) throw Error(ErrorCode::kIo, engine->start_error_);
  return engine;
}

void MpiEngine::initialize() {
  int provided = 0;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS ||
      provided < MPI_THREAD_SERIALIZED) {
    start_error_ =
        "MPI_Init_thread gives no MPI_THREAD_SERIALIZED: this MPI library cannot be used";
    return;
  }
  MPI_Comm_dup(MPI_COMM_WORLD, &world_.comm);
  MPI_Comm_set_errhandler(world_.comm, MPI_ERRORS_RETURN);
  MPI_Comm_rank(world_.comm, &world_.rank);
  MPI_Comm_size(world_.comm, &world_.size);
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(world_.comm, MPI_COMM_TYPE_SHARED, world_.rank, MPI_INFO_NULL, &node);
  int first = world_.rank;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, node);
  world_.nodes.resize(static_cast<size_t>(world_.size));
  MPI_Allgather(&first, 1, MPI_INT, world_.nodes.data(), 1, MPI_INT, world_.comm);
  MPI_Comm_free(&node);
  const auto beside = std::count(world_.nodes.begin(), world_.nodes.end(), first);
  oversubscribed_ = beside > sysconf(_SC_NPROCESSORS_ONLN);
}

void MpiEngine::loop() {
  {
    const Lock mpi(mpi_);
    initialize();
  }
  {
    const Lock lock(mutex_);
    started_ = true;
  }
  changed_.notify_all();
  while (take_tasks()) {
    if (waiters_ == 0) {  // else it would only be in the waiter's way
      const Lock mpi(mpi_);
      poll();
    }
    sleep_until_needed();
  }
}

bool MpiEngine::take_tasks() {
  while (true) {
    Task task;
    {
      const Lock lock(mutex_);
      if (tasks_.empty()) return !ending_;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

void MpiEngine::sleep_until_needed() {
  const auto now = Clock::now();
  if (busy_) last_busy_ = now;
  const Lock lock(mutex_);
  if (!tasks_.empty() || ending_) return;
  if (busy_ && waiters_ == 0) {
    work_.wait_for(mutex_, kPollEvery);
  } else if (now - last_busy_ < kRestAfter) {
    work_.wait_for(mutex_, kLookEvery);  // more will come: nobody has to pay for waking this thread
  } else {
    asleep_ = true;  // before the look at busy_, as post() sets that before it looks at this
    while (tasks_.empty() && !ending_ && !busy_) work_.wait(mutex_);
    asleep_ = false;
  }
}

bool MpiEngine::run(const Task& task, double limit_s) {
  const auto done = std::make_shared<bool>(false);  // outlives a caller that gives up
  {
    const Lock lock(mutex_);
    tasks_.push_back([this, done, task] {
      {
        const Lock mpi(mpi_);
        task();
      }
      {
        const Lock inner(mutex_);
        *done = true;
      }
      changed_.notify_all();
    });
  }
  work_.notify_one();
  const auto limit = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(limit_s));
  const Lock lock(mutex_);
  while (!*done && Clock::now() < limit) changed_.wait_until(mutex_, limit);
  return *done;
}

MPI_Comm MpiEngine::subgroup(MPI_Comm comm, std::span<const int> members) {
  MPI_Comm group_comm = MPI_COMM_NULL;
  const Lock mpi(mpi_);
  MPI_Group all = MPI_GROUP_NULL, group = MPI_GROUP_NULL;
  MPI_Comm_group(comm, &all);
  MPI_Group_incl(all, static_cast<int>(members.size()), members.data(), &group);
  MPI_Comm_create_group(comm, group, 0, &group_comm);
  MPI_Comm_set_errhandler(group_comm, MPI_ERRORS_RETURN);
  MPI_Group_free(&group);
  MPI_Group_free(&all);
  return group_comm;
}

void MpiEngine::abort(const std::string& reason) noexcept {
  log::write(log::Level::kError, reason);
  std::this_thread::sleep_for(kGrace);
  run([] { MPI_Abort(MPI_COMM_WORLD, kExitLostRanks); }, kAnswerS);
  std::_Exit(kExitLostRanks);
}

void MpiEngine::finalize(double limit_s) {
  if (!run([] { MPI_Finalize(); }, limit_s)) {
    log::error("rank {}: the other ranks did not end within {:g} s", world_.rank, limit_s);
    std::_Exit(kExitLostRanks);
  }
  leave();
}

void MpiEngine::leave() {
  {
    const Lock lock(mutex_);
    ending_ = true;
  }
  work_.notify_one();
}

}  // namespace fathom::comm
#endif
