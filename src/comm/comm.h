#pragma once
// A group of ranks and what they exchange. The engines below it (threads/, mpi/, nccl/) move
// messages; collectives are sets of messages, so that a late operation can say which rank it waits
// for, and results are the same bits on all of them. Nothing here adds floating-point numbers:
// ordered.h does, in a fixed order.
//
// Every member of a group calls its collectives in the same order. An operation is started and
// waited for; between the two its memory belongs to it. Several may be under way at once. A Comm is
// used by one thread at a time; different groups by different threads at once.
//
// Messages of a collective: one to each other rank of the group, which suits groups of up to a few
// hundred. Every operation throws LostRanks when a rank is gone or the deadline (JobOptions)
// passes, after writing hang-<rank>.json and ending the job, and Mismatch when the ranks do not
// call the same thing.
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "comm/job.h"

namespace fathom::comm {

class Transport;
class Comm;
struct Operation;

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

/// The place of a call, as a default argument: what std::source_location is, which Clang 14 lacks.
class Where {
 public:
  static constexpr Where current(const char* file = __builtin_FILE(), u32 line = __builtin_LINE()) {
    Where where;
    where.file_ = file;
    where.line_ = line;
    return where;
  }
  constexpr const char* file_name() const { return file_; }
  constexpr u32 line() const { return line_; }

 private:
  const char* file_ = "";
  u32 line_ = 0;
};

enum class Reduce { kSum, kMax };

/// An operation under way. wait() must come before its memory is used, changed or freed; one that
/// is destroyed without (an exception passes) is withdrawn. Its Comm outlives it.
class [[nodiscard]] Pending {
 public:
  Pending() noexcept;
  Pending(Pending&& other) noexcept;
  Pending& operator=(Pending&& other) noexcept;
  ~Pending();
  /// Once; a second time, and of a default one, it does nothing.
  void wait();
  /// True: wait() will not wait.
  bool ready();

 private:
  friend class Comm;
  Pending(Comm& comm, std::unique_ptr<Operation> operation);
  Comm* comm_ = nullptr;
  std::unique_ptr<Operation> operation_;
};

class Comm {
 public:
  /// Of engines, and of one rank alone: no engine, no thread, no message.
  Comm(std::unique_ptr<Transport> transport, std::shared_ptr<Job> job, std::string name = "world");
  static Comm self(JobOptions options = {});
  Comm(Comm&&) noexcept;
  Comm& operator=(Comm&&) noexcept;
  ~Comm();

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Ranks with the same number share memory.
  int machine_of(int rank) const;
  /// Two hops and sums in two levels go by it: JobOptions::ranks_per_node, or machines.
  int node_of(int rank) const;
  /// The number in the whole job of this group's rank `rank`.
  int world_rank(int rank) const;
  const std::string& name() const { return name_; }

  /// Collective. The group of all ranks that give the same color (>= 0), ordered by (key, rank), as
  /// MPI_Comm_split. `name` is for reports.
  Comm split(int color, int key, std::string_view name, Where where = Where::current());

  Pending start_barrier(Where where = Where::current());
  /// data  [bytes] u8: root's on all ranks; the same size everywhere.
  Pending start_broadcast(MutableBytes data, int root, Where where = Where::current());
  /// all  [size * mine.size()] u8, overwritten in rank order; `mine` may be its place in there.
  Pending start_all_gather(Bytes mine, MutableBytes all, Where where = Where::current());
  /// parts[r], as long as rank r's `mine`, is overwritten by it; `mine` may be parts[rank()].
  Pending start_all_gather_v(Bytes mine, std::span<const MutableBytes> parts,
                             Where where = Where::current());
  /// values  [n] i64, in place: exact, so no order matters. Gathers n * size numbers on every rank.
  Pending start_all_reduce_i64(std::span<i64> values, Reduce reduce,
                               Where where = Where::current());
  /// send[r] goes to rank r, recv[r] comes from it, overwritten; no span may overlap another of
  /// `recv`. An empty span takes part like others. The lists are copied; the memory they name is
  /// not.
  Pending start_all_to_all_v(std::span<const Bytes> send, std::span<const MutableBytes> recv,
                             Where where = Where::current());
  /// Point to point, `to` and `from` other than rank(). tag in [0, kUserTags); messages of one
  /// (sender, receiver, tag) arrive in order.
  Pending start_send(int to, int tag, Bytes data, Where where = Where::current());
  Pending start_recv(int from, int tag, MutableBytes data, Where where = Where::current());
  static constexpr int kUserTags = 1 << 14;

  // The same, started and waited for.
  void barrier(Where where = Where::current());
  void broadcast(MutableBytes data, int root, Where where = Where::current());
  void all_gather(Bytes mine, MutableBytes all, Where where = Where::current());
  void all_gather_v(Bytes mine, std::span<const MutableBytes> parts,
                    Where where = Where::current());
  void all_reduce_i64(std::span<i64> values, Reduce reduce, Where where = Where::current());
  void all_to_all_v(std::span<const Bytes> send, std::span<const MutableBytes> recv,
                    Where where = Where::current());
  void send(int to, int tag, Bytes data, Where where = Where::current());
  void recv(int from, int tag, MutableBytes data, Where where = Where::current());

  /// Ends the job on all ranks, with `reason` in their messages. Throws LostRanks here, unless the
  /// engine's way to end a job ends this process.
  [[noreturn]] void abort(const std::string& reason);

  // Of the whole job: the same through each of its groups.
  const JobOptions& options() const;
  void set_deadline(double seconds);
  /// Written into reports: the step and layer that the following operations belong to.
  void set_place(Place place);
  Traffic traffic() const;

 private:
  friend class Pending;
  Pending start(std::unique_ptr<Operation> operation);
  std::unique_ptr<Operation> collective(const char* op, Where where);
  void compare_calls(const Operation& operation);
  /// That it sends to other nodes.
  i64 network_bytes(const Operation& operation) const;
  void finish(Operation& operation);
  void wait_for(Operation& operation);
  bool ready(Operation& operation);
  void withdraw(Operation& operation) noexcept;
  [[noreturn]] void expired(const Operation& operation);
  /// In numbers of the job.
  std::vector<int> missing(const Operation& operation) const;
  std::string write_hang_report(const Operation& operation);

  std::unique_ptr<Transport> transport_;  // null: one rank alone
  std::shared_ptr<Job> job_;              // of all groups of this rank, whichever lives longest
  std::string name_;
  int rank_ = 0, size_ = 1;
  u64 id_ = 0;
  i64 sequence_ = 0, splits_ = 0;
};

}  // namespace fathom::comm
