#pragma once
// Messages between the threads of one process.
#include <condition_variable>
#include <deque>
#include <map>
#include <tuple>
#include <vector>

#include "base/mutex.h"
#include "comm/transport.h"

namespace fathom::comm {

struct Envelope {
  int from = 0, to = 0;  ///< ranks of the job
  u64 group = 0;
  i32 tag = 0;
  auto operator<=>(const Envelope&) const = default;
};

struct Message {
  std::vector<std::byte> copy;
  Transfer* lent =
      nullptr;  ///< not copied yet: the sender waits, and its memory is read at the delivery
  Clock::time_point due;
};

/// What has arrived for one rank, and what it wants to receive. Thread-safe.
class Mailbox {
 public:
  void arrive(const Envelope& envelope, Message message);
  void post(const Envelope& envelope, Transfer& receive);
  /// Delivers what is due of these lanes; false if there was nothing, and then waits until
  /// something changes or `until`. Senders whose memory was read are appended to `released`. Throws
  /// LostRanks, Mismatch.
  bool deliver_or_wait(std::span<const Envelope> lanes, const Exchange& exchange,
                       Clock::time_point until, std::vector<int>& released);
  void withdraw_receive(const Envelope& envelope, const Transfer& receive) noexcept;
  void withdraw_send(const Envelope& envelope, const Transfer& send) noexcept;
  /// Wakes who waits here.
  void wake() noexcept;
  void abort(const std::string& reason) noexcept;

 private:
  /// Both in the order of posting: the first of one belongs to the first of the other.
  struct Lane {
    std::deque<Message> arrived;
    std::deque<Transfer*> posted;
  };
  bool deliver(const Envelope& envelope, std::vector<int>& released, Clock::time_point& next_due)
      FATHOM_REQUIRES(mutex_);
  void erase_if_empty(const Envelope& envelope) FATHOM_REQUIRES(mutex_);

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::map<Envelope, Lane> lanes_ FATHOM_GUARDED_BY(mutex_);
  std::string aborted_ FATHOM_GUARDED_BY(mutex_);  // the reason
};

}  // namespace fathom::comm
