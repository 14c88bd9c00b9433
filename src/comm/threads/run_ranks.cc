#include "comm/threads/run_ranks.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>
#include <thread>

#include "base/check.h"
#include "base/rng.h"
#include "comm/threads/mailbox.h"

namespace fathom::comm {
namespace {

/// What the ranks' threads share.
struct Hub {
  Hub(int ranks, std::optional<Chaos> with) : boxes(static_cast<size_t>(ranks)), chaos(with) {}
  std::vector<Mailbox> boxes;
  const std::optional<Chaos> chaos;

  Mailbox& box(int world_rank) { return boxes[static_cast<size_t>(world_rank)]; }
  void abort(const std::string& reason) noexcept {
    for (Mailbox& box : boxes) box.abort(reason);
  }
};

class ThreadsTransport final : public Transport {
 public:
  /// `members`: their ranks in the job; this rank's place among them is `rank`.
  ThreadsTransport(Hub& hub, std::vector<int> members, int rank, u64 group)
      : hub_(hub), members_(std::move(members)), rank_(rank), group_(group) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(members_.size()); }
  int node_of(int) const override { return 0; }
  int world_rank(int rank) const override { return members_[static_cast<size_t>(rank)]; }

  void post(Exchange& exchange) override {
    for (Transfer& transfer : exchange.transfers) {
      if (transfer.kind == Transfer::Kind::kReceive) post_receive(transfer);
    }
    for (Transfer& transfer : exchange.transfers) {
      if (transfer.kind == Transfer::Kind::kSend) post_send(transfer);
    }
  }

  bool wait(Exchange& exchange, Clock::time_point deadline) override {
    const std::vector<Envelope> lanes = lanes_of(exchange);
    while (!all_done(exchange)) {
      if (!progress(lanes, exchange, deadline) && !all_done(exchange) && Clock::now() >= deadline) {
        return false;
      }
    }
    return true;
  }

  bool test(Exchange& exchange) override {
    if (!all_done(exchange)) progress(lanes_of(exchange), exchange, Clock::time_point::min());
    return all_done(exchange);
  }

  void withdraw(Exchange& exchange) noexcept override {
    for (Transfer& transfer : exchange.transfers) {
      if (transfer.is_done()) continue;
      const Envelope envelope = envelope_of(transfer);
      if (transfer.kind == Transfer::Kind::kSend) {
        hub_.box(envelope.to).withdraw_send(envelope, transfer);
      } else {
        hub_.box(envelope.to).withdraw_receive(envelope, transfer);
      }
    }
  }

  std::unique_ptr<Transport> subgroup(std::span<const int> members, u64 id) override {
    std::vector<int> in_job;
    for (const int member : members) in_job.push_back(world_rank(member));
    const auto mine = std::find(members.begin(), members.end(), rank_);
    return std::make_unique<ThreadsTransport>(hub_, std::move(in_job),
                                              static_cast<int>(mine - members.begin()), id);
  }

  void abort(const std::string& reason) noexcept override { hub_.abort(reason); }

 private:
  int self() const { return world_rank(rank_); }

  Envelope envelope_of(const Transfer& transfer) const {
    const int peer = world_rank(transfer.peer);
    const bool sends = transfer.kind == Transfer::Kind::kSend;
    return {sends ? self() : peer, sends ? peer : self(), group_, transfer.tag};
  }

  std::vector<Envelope> lanes_of(const Exchange& exchange) const {
    std::vector<Envelope> lanes;
    for (const Transfer& transfer : exchange.transfers) {
      if (transfer.kind == Transfer::Kind::kReceive) lanes.push_back(envelope_of(transfer));
    }
    return lanes;
  }

  static bool all_done(const Exchange& exchange) {
    return std::all_of(exchange.transfers.begin(), exchange.transfers.end(),
                       [](const Transfer& transfer) { return transfer.is_done(); });
  }

  bool progress(std::span<const Envelope> lanes, const Exchange& exchange,
                Clock::time_point until) {
    std::vector<int> released;
    const bool delivered = hub_.box(self()).deliver_or_wait(lanes, exchange, until, released);
    // Not under this rank's lock: the sender may want it.
    for (const int sender : released) hub_.box(sender).wake();
    return delivered;
  }

  void post_receive(Transfer& transfer) {
    if (hub_.chaos && transfer.bytes > 0) {
      std::memset(transfer.data, 0xa5, static_cast<size_t>(transfer.bytes));
    }
    hub_.box(self()).post(envelope_of(transfer), transfer);
  }

  void post_send(Transfer& transfer) {
    Message message{.copy = {}, .due = Clock::time_point::min()};
    bool lend = false;
    if (hub_.chaos) {
      const auto random = Philox(hub_.chaos->seed, static_cast<u64>(self()))
                              .at(group_ ^ static_cast<u64>(posted_++));
      const i64 delay_us = random[0] % std::max<i64>(1, hub_.chaos->max_delay_us);
      message.due = Clock::now() + std::chrono::microseconds(delay_us);
      lend = random[1] % 2 == 0;
    }
    const Envelope envelope = envelope_of(transfer);
    if (lend) {
      message.lent = &transfer;
    } else {
      message.copy.assign(transfer.data, transfer.data + transfer.bytes);
      transfer.set_done();
    }
    hub_.box(envelope.to).arrive(envelope, std::move(message));
  }

  Hub& hub_;
  const std::vector<int> members_;
  const int rank_;
  const u64 group_;
  i64 posted_ = 0;
};

}  // namespace

void run_ranks(int ranks, const ThreadsOptions& options, FunctionRef<void(Comm&)> rank_main) {
  FATHOM_CHECK(ranks > 0, ranks, " ranks");
  if (ranks == 1) {
    Comm comm = Comm::self(options.job);
    return rank_main(comm);
  }
  Hub hub(ranks, options.chaos);
  std::vector<int> members(static_cast<size_t>(ranks));
  std::iota(members.begin(), members.end(), 0);
  Mutex mutex;
  std::exception_ptr first;
  const auto run = [&](int rank) {
    try {
      Comm comm(std::make_unique<ThreadsTransport>(hub, members, rank, 0),
                std::make_shared<Job>(rank, ranks, options.job));
      rank_main(comm);
    } catch (const std::exception& error) {
      {
        const Lock lock(mutex);
        if (first == nullptr) first = std::current_exception();
      }
      hub.abort("rank " + std::to_string(rank) + " ended the job: " + error.what());
    }
  };
  std::vector<std::thread> threads;
  for (int rank = 1; rank < ranks; ++rank) threads.emplace_back(run, rank);
  run(0);
  for (std::thread& thread : threads) thread.join();
  if (first != nullptr) std::rethrow_exception(first);
}

}  // namespace fathom::comm
