#if FATHOM_HAS_MPI
#include "comm/mpi/mpi_thread.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>

#include "base/check.h"
#include "base/log.h"
#include "comm/job.h"

namespace fathom::comm {
namespace {

/// How long the thread sleeps between two looks while exchanges are under way and nobody waits for one: compute has the
/// cores then.
constexpr auto kIdlePoll = std::chrono::microseconds(50);
/// Other ranks' deadlines are about as old: time to write their own reports.
constexpr auto kGrace = std::chrono::milliseconds(1000);
constexpr double kAnswerS = 2;

std::string error_text(int code) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return std::string(text, static_cast<size_t>(length));
}

std::chrono::duration<double> seconds(double count) { return std::chrono::duration<double>(count); }

}  // namespace

std::shared_ptr<MpiThread> MpiThread::start() {
  auto engine = std::make_shared<MpiThread>();
  // Detached, and kept alive by itself: a thread that hangs within MPI must not keep the process from ending.
  std::thread([engine] { engine->loop(); }).detach();
  const Lock lock(engine->mutex_);
  while (!engine->started_) engine->changed_.wait(engine->mutex_);
  if (!engine->start_error_.empty()) throw Error(ErrorCode::kIo, engine->start_error_);
  return engine;
}

void MpiThread::initialize() {
  int provided = 0;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS ||
      provided < MPI_THREAD_FUNNELED) {
    start_error_ = "MPI_Init_thread gives no MPI_THREAD_FUNNELED";
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
}

void MpiThread::loop() {
  initialize();
  {
    const Lock lock(mutex_);
    started_ = true;
  }
  changed_.notify_all();
  while (take_tasks()) {
    const bool progress = poll();
    if (!progress) sleep_until_needed(!active_.empty());
  }
}

bool MpiThread::take_tasks() {
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

void MpiThread::sleep_until_needed(bool busy) {
  {
    const Lock lock(mutex_);
    if (!tasks_.empty() || ending_) return;
    if (!busy) return work_.wait(mutex_);
    if (waiters_ == 0) {
      work_.wait_for(mutex_, kIdlePoll);
      return;
    }
  }
  sched_yield();  // somebody waits: look again at once, unless another thread wants this core
}

void MpiThread::enqueue(Task task) {
  {
    const Lock lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  work_.notify_one();
}

bool MpiThread::run(const Task& task, double limit_s) {
  const auto done = std::make_shared<bool>(false);  // outlives a caller that gives up
  enqueue([this, done, task] {
    task();
    {
      const Lock lock(mutex_);
      *done = true;
    }
    changed_.notify_all();
  });
  const auto limit = Clock::now() + std::chrono::duration_cast<Clock::duration>(seconds(limit_s));
  const Lock lock(mutex_);
  while (!*done && Clock::now() < limit) changed_.wait_until(mutex_, limit);
  return *done;
}

void MpiThread::post(MPI_Comm comm, Exchange& exchange) {
  auto state = std::make_shared<MpiExchange>();
  state->exchange = &exchange;
  exchange.engine_state = state;
  enqueue([this, comm, state] { begin(comm, state); });
}

void MpiThread::begin(MPI_Comm comm, const std::shared_ptr<MpiExchange>& state) {
  active_.push_back(state);
  std::vector<Transfer>& transfers = state->exchange->transfers;
  state->left.assign(transfers.size(), 0);
  const auto post_all = [&](Transfer::Kind kind) {
    for (size_t t = 0; t < transfers.size(); ++t) {
      Transfer& transfer = transfers[t];
      if (transfer.kind != kind) continue;
      i64 at = 0;
      do {
        const int bytes = static_cast<int>(std::min(kPieceBytes, transfer.bytes - at));
        MPI_Request request = MPI_REQUEST_NULL;
        const int code =
            kind == Transfer::Kind::kSend
                ? MPI_Isend(transfer.data + at, bytes, MPI_BYTE, transfer.peer, transfer.tag, comm,
                            &request)
                : MPI_Irecv(transfer.data + at, bytes, MPI_BYTE, transfer.peer, transfer.tag, comm,
                            &request);
        if (code != MPI_SUCCESS) return fail(*state, code);
        state->requests.push_back(request);
        state->pieces.push_back({t, bytes});
        ++state->left[t];
        at += bytes;
      } while (at < transfer.bytes);
    }
  };
  post_all(Transfer::Kind::kReceive);  // first, so that what comes finds its place
  post_all(Transfer::Kind::kSend);
  state->open = state->requests.size();
}

bool MpiThread::poll() {
  bool progress = false;
  for (const auto& state : active_) {
    const size_t before = state->open;
    poll_one(*state);
    progress |= state->open != before;
  }
  const auto ended = [](const auto& state) {
    return state->open == 0 || !state->error.empty() || state->exchange == nullptr;
  };
  if (std::none_of(active_.begin(), active_.end(), ended)) return progress;
  {
    const Lock lock(mutex_);  // a waiter has not looked yet, or waits
    for (const auto& state : active_) {
      if (ended(state)) state->ended.store(true, std::memory_order_release);
    }
  }
  changed_.notify_all();
  std::erase_if(active_, ended);
  return true;
}

void MpiThread::poll_one(MpiExchange& state) {
  if (state.open == 0 || state.exchange == nullptr) return;
  int count = 0;
  completed_.resize(state.requests.size());
  statuses_.resize(state.requests.size());
  const int code = MPI_Testsome(static_cast<int>(state.requests.size()), state.requests.data(),
                                &count, completed_.data(), statuses_.data());
  if (code != MPI_SUCCESS && code != MPI_ERR_IN_STATUS) return fail(state, code);
  for (int i = 0; i < count; ++i) {
    const MPI_Status& status = statuses_[static_cast<size_t>(i)];
    const auto [t, bytes] = state.pieces[static_cast<size_t>(completed_[static_cast<size_t>(i)])];
    Transfer& transfer = state.exchange->transfers[t];
    if (code == MPI_ERR_IN_STATUS && status.MPI_ERROR != MPI_SUCCESS) {
      return fail(state, status.MPI_ERROR);
    }
    int received = bytes;
    if (transfer.kind == Transfer::Kind::kReceive) MPI_Get_count(&status, MPI_BYTE, &received);
    if (received != bytes) {
      state.wrong_size = true;
      state.error = "rank " + std::to_string(transfer.peer) + " of the group sent " +
                    std::to_string(received) + " bytes where " + std::to_string(bytes) +
                    " are expected";
      return;
    }
    --state.open;
    if (--state.left[t] == 0) transfer.set_done();
  }
}

void MpiThread::fail(MpiExchange& state, int code) {
  int error_class = MPI_ERR_OTHER;
  MPI_Error_class(code, &error_class);
  state.wrong_size = error_class == MPI_ERR_TRUNCATE;
  state.error = state.wrong_size ? "a message is longer than expected" : error_text(code);
}

bool MpiThread::wait(Exchange& exchange, Clock::time_point deadline) {
  const auto state = std::static_pointer_cast<MpiExchange>(exchange.engine_state);
  if (!state->ended.load(std::memory_order_acquire)) {
    const Lock lock(mutex_);
    ++waiters_;
    work_.notify_one();
    while (!state->ended.load(std::memory_order_acquire) && Clock::now() < deadline) {
      changed_.wait_until(mutex_, deadline);
    }
    --waiters_;
    if (!state->ended.load(std::memory_order_acquire)) return false;
  }
  if (state->error.empty()) return true;
  if (state->wrong_size) throw Mismatch(state->error);
  throw LostRanks("MPI: " + state->error);
}

void MpiThread::withdraw(Exchange& exchange) noexcept {
  const auto state = std::static_pointer_cast<MpiExchange>(exchange.engine_state);
  if (state == nullptr || state->ended.load(std::memory_order_acquire)) return;
  const bool done = run(
      [state] {
        for (MPI_Request& request : state->requests) {
          if (request == MPI_REQUEST_NULL) continue;
          MPI_Cancel(&request);
          MPI_Request_free(&request);
        }
        state->exchange = nullptr;
      },
      kAnswerS);
  // Its memory is about to be freed while a message may still be written there.
  if (!done) std::_Exit(kExitLostRanks);
}

MPI_Comm MpiThread::subgroup(MPI_Comm comm, std::span<const int> members) {
  MPI_Comm group_comm = MPI_COMM_NULL;
  const std::vector<int> ranks(members.begin(), members.end());
  run(
      [&group_comm, comm, ranks] {
        MPI_Group all = MPI_GROUP_NULL, group = MPI_GROUP_NULL;
        MPI_Comm_group(comm, &all);
        MPI_Group_incl(all, static_cast<int>(ranks.size()), ranks.data(), &group);
        MPI_Comm_create_group(comm, group, 0, &group_comm);
        MPI_Comm_set_errhandler(group_comm, MPI_ERRORS_RETURN);
        MPI_Group_free(&group);
        MPI_Group_free(&all);
      },
      1e8);
  return group_comm;
}

void MpiThread::abort(const std::string& reason) noexcept {
  log::write(log::Level::kError, reason);
  std::this_thread::sleep_for(kGrace);
  run([] { MPI_Abort(MPI_COMM_WORLD, kExitLostRanks); }, kAnswerS);
  std::_Exit(kExitLostRanks);
}

void MpiThread::finalize(double limit_s) {
  if (!run([] { MPI_Finalize(); }, limit_s)) {
    log::error("rank {}: the other ranks did not end within {:g} s", world_.rank, limit_s);
    std::_Exit(kExitLostRanks);
  }
  leave();
}

void MpiThread::leave() {
  {
    const Lock lock(mutex_);
    ending_ = true;
  }
  work_.notify_one();
}

}  // namespace fathom::comm
#endif
