// The collectives as messages: one to and one from each other rank.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "comm/operation.h"

namespace fathom::comm {
namespace {

// Tags above the users': an engine promises 2^15. Collectives of one group are posted in one order
// on all ranks, so a tag that comes round again meets nothing of its former use.
constexpr i32 kCollectiveTags = 1 << 13;
constexpr i32 kFirstCollectiveTag = Comm::kUserTags;
constexpr i32 kFirstDebugTag = kFirstCollectiveTag + kCollectiveTags;
static_assert(kFirstDebugTag + kCollectiveTags == kTags);

void copy(Bytes from, MutableBytes to) {
  if (!from.empty() && from.data() != to.data()) std::memcpy(to.data(), from.data(), from.size());
}

/// What the ranks of a pair tell each other in debug mode.
struct Call {
  char op[16] = {};
  char file[80] = {};
  u32 line = 0;
  i64 sequence = 0, send_bytes = 0, expected_bytes = 0;
};

void set_text(std::span<char> field, std::string_view text) {
  if (text.size() >= field.size()) text.remove_prefix(text.size() - field.size() + 1);
  std::copy(text.begin(), text.end(), field.begin());
}

/// An element for each rank: what this one says to it.
std::vector<Call> calls_of(const Operation& op, int size) {
  Call mine{.line = op.where.line(), .sequence = op.sequence};
  set_text(mine.op, op.op);
  set_text(mine.file, op.where.file_name());
  std::vector<Call> calls(static_cast<size_t>(size), mine);
  for (const Transfer& transfer : op.exchange.transfers) {
    Call& call = calls[static_cast<size_t>(transfer.peer)];
    (transfer.kind == Transfer::Kind::kSend ? call.send_bytes : call.expected_bytes) +=
        transfer.bytes;
  }
  return calls;
}

bool same(const Call& mine, const Call& theirs) {
  return std::string_view(mine.op) == theirs.op && mine.sequence == theirs.sequence &&
         mine.send_bytes == theirs.expected_bytes && mine.expected_bytes == theirs.send_bytes;
}

std::string describe(const Call& call) {
  return fmt::format("{} #{} ({}:{}), sending {} bytes to the other and expecting {}", call.op,
                     call.sequence, call.file, call.line, call.send_bytes, call.expected_bytes);
}

}  // namespace

void Comm::compare_calls(const Operation& op) {
  const std::vector<Call> mine = calls_of(op, size_);
  std::vector<Call> theirs(mine.size());
  Operation comparison{.op = op.op,
                       .where = op.where,
                       .sequence = op.sequence,
                       .tag = op.tag + kCollectiveTags,
                       .record = op.record};
  for (int r = 0; r < size_; ++r) {
    if (r == rank_) continue;
    const auto at = static_cast<size_t>(r);
    comparison.send(r, std::as_bytes(std::span(&mine[at], 1)));
    comparison.receive(r, std::as_writable_bytes(std::span(&theirs[at], 1)));
  }
  transport_->post(comparison.exchange);
  struct Withdrawal {  // the calls' memory ends here, whatever happens
    Transport& transport;
    Exchange& exchange;
    ~Withdrawal() { transport.withdraw(exchange); }
  } withdrawal{*transport_, comparison.exchange};
  wait_for(comparison);
  for (int r = 0; r < size_; ++r) {
    const auto at = static_cast<size_t>(r);
    if (r == rank_ || same(mine[at], theirs[at])) continue;
    throw Mismatch(fmt::format("{}: rank {} calls {}; rank {} calls {}", name_, job_->rank(),
                               describe(mine[at]), world_rank(r), describe(theirs[at])));
  }
}

std::unique_ptr<Operation> Comm::collective(const char* op, Where where) {
  auto operation = std::make_unique<Operation>();
  operation->op = op;
  operation->where = where;
  operation->collective = true;
  operation->sequence = sequence_++;
  operation->tag = kFirstCollectiveTag + static_cast<i32>(operation->sequence % kCollectiveTags);
  operation->exchange.transfers.reserve(2 * static_cast<size_t>(size_ - 1));
  return operation;
}

Pending Comm::start_barrier(Where where) {
  auto op = collective("barrier", where);
  for (int step = 1; step < size_; ++step) {
    op->receive((rank_ + size_ - step) % size_, {});
    op->send((rank_ + step) % size_, {});
  }
  return start(std::move(op));
}

Pending Comm::start_broadcast(MutableBytes data, int root, Where where) {
  FATHOM_CHECK(root >= 0 && root < size_, "root ", root, " of ", size_);
  auto op = collective("broadcast", where);
  if (rank_ != root) op->receive(root, data);
  for (int r = 0; rank_ == root && r < size_; ++r) {
    if (r != root) op->send(r, data);
  }
  return start(std::move(op));
}

Pending Comm::start_all_gather(Bytes mine, MutableBytes all, Where where) {
  const size_t bytes = mine.size();
  FATHOM_CHECK(all.size() == bytes * static_cast<size_t>(size_), "all_gather of ", bytes,
               " bytes into ", all.size(), " for ", size_, " ranks");
  auto op = collective("all_gather", where);
  copy(mine, all.subspan(static_cast<size_t>(rank_) * bytes, bytes));
  for (int step = 1; step < size_; ++step) {
    const int from = (rank_ + size_ - step) % size_;
    op->receive(from, all.subspan(static_cast<size_t>(from) * bytes, bytes));
    op->send((rank_ + step) % size_, mine);
  }
  return start(std::move(op));
}

Pending Comm::start_all_gather_v(Bytes mine, std::span<const MutableBytes> parts, Where where) {
  FATHOM_CHECK(std::ssize(parts) == size_, parts.size(), " parts for ", size_, " ranks");
  const MutableBytes own = parts[static_cast<size_t>(rank_)];
  FATHOM_CHECK(own.size() == mine.size(), "own part of ", own.size(), " for ", mine.size(),
               " bytes");
  auto op = collective("all_gather_v", where);
  copy(mine, own);
  for (int step = 1; step < size_; ++step) {
    const int from = (rank_ + size_ - step) % size_;
    op->receive(from, parts[static_cast<size_t>(from)]);
    op->send((rank_ + step) % size_, mine);
  }
  return start(std::move(op));
}

Pending Comm::start_all_reduce_i64(std::span<i64> values, Reduce reduce, Where where) {
  auto op = collective(reduce == Reduce::kSum ? "all_reduce_sum" : "all_reduce_max", where);
  if (size_ == 1) return {};
  op->values = values;
  op->reduce = reduce;
  op->gathered.resize(values.size() * static_cast<size_t>(size_));
  const auto place = [&](int rank) {
    return std::span(op->gathered)
        .subspan(static_cast<size_t>(rank) * values.size(), values.size());
  };
  std::copy(values.begin(), values.end(), place(rank_).begin());
  for (int step = 1; step < size_; ++step) {
    const int from = (rank_ + size_ - step) % size_;
    op->receive(from, std::as_writable_bytes(place(from)));
    op->send((rank_ + step) % size_, std::as_bytes(place(rank_)));
  }
  return start(std::move(op));
}

Pending Comm::start_all_to_all_v(std::span<const Bytes> send, std::span<const MutableBytes> recv,
                                 Where where) {
  FATHOM_CHECK(std::ssize(send) == size_ && std::ssize(recv) == size_, send.size(), " and ",
               recv.size(), " spans for ", size_, " ranks");
  const auto own = static_cast<size_t>(rank_);
  FATHOM_CHECK(send[own].size() == recv[own].size(), "to itself ", send[own].size(),
               " bytes, from itself ", recv[own].size());
  auto op = collective("all_to_all_v", where);
  for (int step = 1; step < size_; ++step) {
    const int from = (rank_ + size_ - step) % size_, to = (rank_ + step) % size_;
    op->receive(from, recv[static_cast<size_t>(from)]);
    op->send(to, send[static_cast<size_t>(to)]);
  }
  Pending pending = start(std::move(op));
  copy(send[own], recv[own]);  // while the messages travel
  return pending;
}

Pending Comm::start_send(int to, int tag, Bytes data, Where where) {
  FATHOM_CHECK(to >= 0 && to < size_ && to != rank_, "rank ", rank_, " sends to ", to);
  FATHOM_CHECK(tag >= 0 && tag < kUserTags, "tag ", tag);
  auto op = std::make_unique<Operation>();
  *op = {.op = "send", .where = where, .sequence = tag, .tag = tag};
  op->send(to, data);
  return start(std::move(op));
}

Pending Comm::start_recv(int from, int tag, MutableBytes data, Where where) {
  FATHOM_CHECK(from >= 0 && from < size_ && from != rank_, "rank ", rank_, " receives from ", from);
  FATHOM_CHECK(tag >= 0 && tag < kUserTags, "tag ", tag);
  auto op = std::make_unique<Operation>();
  *op = {.op = "recv", .where = where, .sequence = tag, .tag = tag};
  op->receive(from, data);
  return start(std::move(op));
}

void Comm::barrier(Where where) { start_barrier(where).wait(); }
void Comm::broadcast(MutableBytes data, int root, Where where) {
  start_broadcast(data, root, where).wait();
}
void Comm::all_gather(Bytes mine, MutableBytes all, Where where) {
  start_all_gather(mine, all, where).wait();
}
void Comm::all_gather_v(Bytes mine, std::span<const MutableBytes> parts, Where where) {
  start_all_gather_v(mine, parts, where).wait();
}
void Comm::all_reduce_i64(std::span<i64> values, Reduce reduce, Where where) {
  start_all_reduce_i64(values, reduce, where).wait();
}
void Comm::all_to_all_v(std::span<const Bytes> send, std::span<const MutableBytes> recv,
                        Where where) {
  start_all_to_all_v(send, recv, where).wait();
}
void Comm::send(int to, int tag, Bytes data, Where where) {
  start_send(to, tag, data, where).wait();
}
void Comm::recv(int from, int tag, MutableBytes data, Where where) {
  start_recv(from, tag, data, where).wait();
}

}  // namespace fathom::comm
