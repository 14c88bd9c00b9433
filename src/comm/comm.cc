#include "comm/comm.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/check.h"
#include "comm/missing_ranks.h"
#include "comm/operation.h"

namespace fathom::comm {
namespace {

/// Different for every group of a job, the same on its members.
u64 subgroup_id(u64 parent, i64 split, int color) {
  u64 x = parent ^ (static_cast<u64>(split) << 32) ^ static_cast<u64>(color);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

Clock::time_point after_seconds(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(
                            std::chrono::duration<double>(std::min(seconds, 1e8)));
}

}  // namespace

Pending::Pending(Comm& comm, std::unique_ptr<Operation> operation)
    : comm_(&comm), operation_(std::move(operation)) {}
Pending::Pending() noexcept = default;
Pending::Pending(Pending&&) noexcept = default;
Pending& Pending::operator=(Pending&& other) noexcept {
  if (operation_ != nullptr) comm_->withdraw(*operation_);
  comm_ = other.comm_;
  operation_ = std::move(other.operation_);
  return *this;
}
Pending::~Pending() {
  if (operation_ != nullptr) comm_->withdraw(*operation_);
}
bool Pending::ready() { return operation_ == nullptr || comm_->ready(*operation_); }
void Pending::wait() {
  if (operation_ == nullptr) return;
  comm_->finish(*operation_);
  operation_ = nullptr;
}

Comm::Comm(std::unique_ptr<Transport> transport, std::shared_ptr<Job> job, std::string name)
    : transport_(std::move(transport)), job_(std::move(job)), name_(std::move(name)) {
  if (transport_ == nullptr) return;
  rank_ = transport_->rank();
  size_ = transport_->size();
}
Comm Comm::self(JobOptions options) {
  return Comm(nullptr, std::make_shared<Job>(0, 1, std::move(options)));
}
Comm::Comm(Comm&&) noexcept = default;
Comm& Comm::operator=(Comm&&) noexcept = default;
Comm::~Comm() = default;

int Comm::machine_of(int rank) const {
  FATHOM_CHECK(rank >= 0 && rank < size_, "rank ", rank, " of ", size_);
  return transport_ == nullptr ? 0 : transport_->node_of(rank);
}
int Comm::node_of(int rank) const {
  const int ranks_per_node = job_->options().ranks_per_node;
  return ranks_per_node > 0 ? world_rank(rank) / ranks_per_node : machine_of(rank);
}
int Comm::world_rank(int rank) const {
  FATHOM_CHECK(rank >= 0 && rank < size_, "rank ", rank, " of ", size_);
  return transport_ == nullptr ? job_->rank() : transport_->world_rank(rank);
}
const JobOptions& Comm::options() const { return job_->options(); }
void Comm::set_deadline(double seconds) { job_->set_deadline(seconds); }
void Comm::set_place(Place place) { job_->set_place(place); }
Traffic Comm::traffic() const { return job_->traffic(); }

Comm Comm::split(int color, int key, std::string_view name, Where where) {
  FATHOM_CHECK(color >= 0, "color ", color);
  struct Wish {
    int color, key;
  };
  const Wish mine{color, key};
  std::vector<Wish> wishes(static_cast<size_t>(size_));
  all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(wishes)), where);
  std::vector<int> members;
  for (int r = 0; r < size_; ++r) {
    if (wishes[static_cast<size_t>(r)].color == color) members.push_back(r);
  }
  std::stable_sort(members.begin(), members.end(), [&](int a, int b) {
    return wishes[static_cast<size_t>(a)].key < wishes[static_cast<size_t>(b)].key;
  });
  const u64 id = subgroup_id(id_, ++splits_, color);
  auto transport = members.size() == 1 ? nullptr : transport_->subgroup(members, id);
  Comm group(std::move(transport), job_, fmt::format("{}/{}", name_, name));
  group.id_ = id;
  return group;
}

i64 Comm::network_bytes(const Operation& operation) const {
  i64 sum = 0;
  for (const Transfer& transfer : operation.exchange.transfers) {
    const bool leaves = node_of(transfer.peer) != node_of(rank_);
    if (transfer.kind == Transfer::Kind::kSend && leaves) sum += transfer.bytes;
  }
  return sum;
}

Pending Comm::start(std::unique_ptr<Operation> operation) {
  if (transport_ == nullptr) return {};
  Operation& op = *operation;
  op.record = job_->begin({.group = name_,
                           .op = op.op,
                           .sequence = op.sequence,
                           .send_bytes = op.bytes(Transfer::Kind::kSend, false),
                           .network_bytes = network_bytes(op),
                           .expected_bytes = op.bytes(Transfer::Kind::kReceive, false),
                           .file = op.where.file_name(),
                           .line = op.where.line()});
  if (op.collective && job_->options().debug) compare_calls(op);
  transport_->post(op.exchange);
  return Pending(*this, std::move(operation));
}

bool Comm::ready(Operation& operation) { return transport_->test(operation.exchange); }
void Comm::withdraw(Operation& operation) noexcept { transport_->withdraw(operation.exchange); }

void Comm::wait_for(Operation& op) {
  try {
    if (transport_->wait(op.exchange, after_seconds(job_->deadline_s()))) return;
  } catch (const Mismatch& mismatch) {
    throw Mismatch(fmt::format("{} #{} of {} ({}:{}): {}", op.op, op.sequence, name_,
                               op.where.file_name(), op.where.line(), mismatch.message()));
  } catch (const LostRanks&) {  // another rank ended the job while this one waited
    write_hang_report(op);
    throw;
  }
  expired(op);
}

void Comm::finish(Operation& op) {
  const Clock::time_point began = Clock::now();
  wait_for(op);
  job_->end(op.record, op.bytes(Transfer::Kind::kReceive, true), seconds_since(began));
  op.finish_reduce();
}

std::vector<int> Comm::missing(const Operation& op) const {
  std::vector<int> ranks = op.missing();
  for (int& rank : ranks) rank = world_rank(rank);
  return ranks;
}

std::string Comm::write_hang_report(const Operation& op) {
  return job_->write_hang_report(op.record, op.bytes(Transfer::Kind::kReceive, true), missing(op));
}

void Comm::expired(const Operation& op) {
  const std::vector<int> ranks = missing(op);
  const std::string report = write_hang_report(op);
  const std::string reason = fmt::format(
      "rank {}: {} #{} of {} ({}:{}) waited {:g} s for rank{} {}{}{}", job_->rank(), op.op,
      op.sequence, name_, op.where.file_name(), op.where.line(), job_->deadline_s(),
      ranks.size() == 1 ? "" : "s", fmt::join(ranks, ", "), report.empty() ? "" : "; see ", report);
  transport_->abort(reason);
  throw MissingRanks(reason, ranks);
}

void Comm::abort(const std::string& reason) {
  if (transport_ != nullptr) transport_->abort(reason);
  throw LostRanks(reason);
}

}  // namespace fathom::comm
