#pragma once
// What an engine does: it moves messages between the ranks of one group. Everything else
// (collectives, deadlines, reports) is in comm.h, once for all engines.
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/types.h"

namespace fathom::comm {

/// One message of an exchange, sent or to be received. Messages with one (sender, receiver, tag)
/// arrive in the order in which they were posted and meet receives in the order in which those were
/// posted.
struct Transfer {
  enum class Kind { kSend, kReceive };
  Kind kind;
  int peer;  ///< rank of the group, never one's own
  i32 tag;   ///< [0, kTags)
  std::byte* data;
  i64 bytes;
  bool done = false;  ///< shared with the engine's thread: is_done()

  bool is_done() const {
    return std::atomic_ref(const_cast<bool&>(done)).load(std::memory_order_acquire);
  }
  void set_done() { std::atomic_ref(done).store(true, std::memory_order_release); }
};

/// Transfers that were posted together. The vector stays as it is from post() until all are done or
/// withdrawn.
struct Exchange {
  std::vector<Transfer> transfers;
  std::shared_ptr<void>
      engine_state;  ///< shared with an engine's thread, which may outlive a withdrawal
};

/// Tags that every engine has: MPI promises 0 .. 32767.
inline constexpr i32 kTags = 1 << 15;

class Transport {
 public:
  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Ranks that share memory have one number; numbers rise from 0 in the order of the first rank of
  /// each.
  virtual int node_of(int rank) const = 0;
  /// The rank of the whole job.
  virtual int world_rank(int rank) const = 0;

  /// Begins all transfers. Empty messages are messages too.
  virtual void post(Exchange& exchange) = 0;
  /// False: the deadline came first. Throws LostRanks if the job was ended, Mismatch if a message
  /// has another size.
  virtual bool wait(Exchange& exchange, Clock::time_point deadline) = 0;
  /// True: all transfers are done. Never waits; throws as wait().
  virtual bool test(Exchange& exchange) = 0;
  /// Gives up what is not done: nothing is read from or written to its memory afterwards. On the
  /// way of an error only.
  virtual void withdraw(Exchange& exchange) noexcept = 0;
  /// The group of `members` (ranks of this group, in their new order), which all call this in one
  /// order.
  virtual std::unique_ptr<Transport> subgroup(std::span<const int> members, u64 id) = 0;
  /// Ends the job: operations of all ranks throw LostRanks, or their processes end with
  /// kExitLostRanks.
  virtual void abort(const std::string& reason) noexcept = 0;
};

}  // namespace fathom::comm
