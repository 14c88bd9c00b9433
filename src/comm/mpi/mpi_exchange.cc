#if FATHOM_HAS_MPI
#include <algorithm>
#include <thread>

#include "comm/job.h"
#include "comm/mpi/mpi_engine.h"

namespace fathom::comm {
namespace {

/// Counts of MPI-3.1 are int.
constexpr i64 kPieceBytes = i64{1} << 30;
/// Who waits looks again and again. After so long it sleeps between two looks, at once where there
/// are more ranks than CPUs: they may be waited for. It sleeps and does not yield, because a thread
/// that yields on a busy machine gives up the whole of its turn and comes back ticks of the
/// scheduler later; one that sleeps keeps its claim and is back when it wakes.
constexpr auto kKeepCoreFor = std::chrono::microseconds(200);
constexpr auto kNap = std::chrono::microseconds(1);
/// After so long it sleeps for longer.
constexpr auto kWaitsLookFor = std::chrono::milliseconds(50);
constexpr auto kWaitsLookEvery = std::chrono::microseconds(50);

void set_error(MpiExchange& state, int code) {
  int error_class = MPI_ERR_OTHER, length = 0;
  MPI_Error_class(code, &error_class);
  char text[MPI_MAX_ERROR_STRING] = {};
  MPI_Error_string(code, text, &length);
  state.wrong_size = error_class == MPI_ERR_TRUNCATE;
  state.error = state.wrong_size ? "a message is longer than expected"
                                 : std::string(text, static_cast<size_t>(length));
}

std::shared_ptr<MpiExchange> state_of(const Exchange& exchange) {
  return std::static_pointer_cast<MpiExchange>(exchange.engine_state);
}

}  // namespace

void MpiEngine::post(MPI_Comm comm, Exchange& exchange) {
  auto state = std::make_shared<MpiExchange>();
  state->exchange = &exchange;
  exchange.engine_state = state;
  {
    const Lock mpi(mpi_);
    begin(comm, *state);
    active_.push_back(std::move(state));
    busy_ = true;
  }
  if (!asleep_) return;
  { const Lock lock(mutex_); }  // it has seen busy_, or waits
  work_.notify_one();
}

void MpiEngine::begin(MPI_Comm comm, MpiExchange& state) {
  std::vector<Transfer>& transfers = state.exchange->transfers;
  state.left.assign(transfers.size(), 0);
  const auto post_all = [&](Transfer::Kind kind) {
    for (size_t t = 0; t < transfers.size() && state.error.empty(); ++t) {
      Transfer& transfer = transfers[t];
      if (transfer.kind != kind) continue;
      i64 at = 0;
      do {
        const int bytes = static_cast<int>(std::min(kPieceBytes, transfer.bytes - at));
        MPI_Request request = MPI_REQUEST_NULL;
        const int code = kind == Transfer::Kind::kSend
                             ? MPI_Isend(transfer.data + at, bytes, MPI_BYTE, transfer.peer,
                                         transfer.tag, comm, &request)
                             : MPI_Irecv(transfer.data + at, bytes, MPI_BYTE, transfer.peer,
                                         transfer.tag, comm, &request);
        if (code != MPI_SUCCESS) return set_error(state, code);
        state.requests.push_back(request);
        state.pieces.push_back({t, bytes});
        ++state.left[t];
        at += bytes;
      } while (at < transfer.bytes);
    }
  };
  post_all(Transfer::Kind::kReceive);  // first, so that what comes finds its place
  post_all(Transfer::Kind::kSend);
  state.open = state.requests.size();
}

bool MpiEngine::poll() {
  bool progress = false;
  for (const auto& state : active_) {
    const size_t before = state->open;
    poll_one(*state);
    progress |= state->open != before;
  }
  std::erase_if(active_, [](const auto& state) {
    const bool ended = state->open == 0 || !state->error.empty();
    if (ended) state->ended.store(true, std::memory_order_release);
    return ended;
  });
  busy_ = !active_.empty();
  return progress;
}

void MpiEngine::poll_one(MpiExchange& state) {
  if (state.open == 0 || !state.error.empty()) return;
  int count = 0;
  completed_.resize(state.requests.size());
  statuses_.resize(state.requests.size());
  const int code = MPI_Testsome(static_cast<int>(state.requests.size()), state.requests.data(),
                                &count, completed_.data(), statuses_.data());
  if (code != MPI_SUCCESS && code != MPI_ERR_IN_STATUS) return set_error(state, code);
  for (int i = 0; i < count; ++i) {
    const MPI_Status& status = statuses_[static_cast<size_t>(i)];
    const auto [t, bytes] = state.pieces[static_cast<size_t>(completed_[static_cast<size_t>(i)])];
    Transfer& transfer = state.exchange->transfers[t];
    if (code == MPI_ERR_IN_STATUS && status.MPI_ERROR != MPI_SUCCESS) {
      return set_error(state, status.MPI_ERROR);
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

bool MpiEngine::outcome(const MpiExchange& state) {
  if (!state.ended.load(std::memory_order_acquire)) return false;
  if (state.error.empty()) return true;
  if (state.wrong_size) throw Mismatch(state.error);
  throw LostRanks("MPI: " + state.error);
}

bool MpiEngine::test(Exchange& exchange) {
  const auto state = state_of(exchange);
  if (!state->ended.load(std::memory_order_acquire)) {
    const Lock mpi(mpi_);
    poll();
  }
  return outcome(*state);
}

bool MpiEngine::wait(Exchange& exchange, Clock::time_point deadline) {
  const auto state = state_of(exchange);
  struct Waiting {
    std::atomic<int>& waiters;
    explicit Waiting(std::atomic<int>& of) : waiters(of) { ++waiters; }
    ~Waiting() { --waiters; }
  } const waiting(waiters_);
  auto since = Clock::now();
  while (!outcome(*state)) {
    bool progress = false;
    {
      const Lock mpi(mpi_);
      progress = poll();
    }
    if (state->ended.load(std::memory_order_acquire)) continue;
    const auto now = Clock::now();
    if (progress) since = now;
    if (now >= deadline) return false;
    if (now - since > kWaitsLookFor) {
      std::this_thread::sleep_for(kWaitsLookEvery);
    } else if (!progress && (oversubscribed_ || now - since > kKeepCoreFor)) {
      std::this_thread::sleep_for(kNap);
    }
  }
  return true;
}

void MpiEngine::withdraw(Exchange& exchange) noexcept {
  const auto state = state_of(exchange);
  if (state == nullptr || state->ended.load(std::memory_order_acquire)) return;
  const Lock mpi(mpi_);
  for (MPI_Request& request : state->requests) {
    if (request == MPI_REQUEST_NULL) continue;
    MPI_Cancel(&request);
    MPI_Request_free(&request);
  }
  std::erase(active_, state);
}

}  // namespace fathom::comm
#endif
