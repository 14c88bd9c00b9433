#include "comm/threads/mailbox.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "comm/job.h"

namespace fathom::comm {
namespace {

void copy_into(Transfer& receive, const std::byte* data) {
  if (receive.bytes > 0) std::memcpy(receive.data, data, static_cast<size_t>(receive.bytes));
  receive.set_done();
}

}  // namespace

void Mailbox::arrive(const Envelope& envelope, Message message) {
  {
    const Lock lock(mutex_);
    Lane& lane = lanes_[envelope];
    // Into memory that waits for it at once, as over a network, so that memory used too early or
    // twice shows. What does not fit is left to the receiver, whose error it is too.
    if (lane.arrived.empty() && !lane.posted.empty() && message.lent == nullptr &&
        message.due <= Clock::now() && std::ssize(message.copy) == lane.posted.front()->bytes) {
      copy_into(*lane.posted.front(), message.copy.data());
      lane.posted.pop_front();
      erase_if_empty(envelope);
    } else {
      lane.arrived.push_back(std::move(message));
    }
  }
  changed_.notify_all();
}

void Mailbox::post(const Envelope& envelope, Transfer& receive) {
  const Lock lock(mutex_);
  lanes_[envelope].posted.push_back(&receive);
}

bool Mailbox::deliver(const Envelope& envelope, std::vector<int>& released,
                      Clock::time_point& next_due) {
  const auto found = lanes_.find(envelope);
  if (found == lanes_.end()) return false;
  Lane& lane = found->second;
  bool delivered = false;
  while (!lane.arrived.empty() && !lane.posted.empty()) {
    Message& message = lane.arrived.front();
    if (message.due > Clock::now()) {
      next_due = std::min(next_due, message.due);
      break;
    }
    Transfer& receive = *lane.posted.front();
    const i64 bytes =
        message.lent != nullptr ? message.lent->bytes : static_cast<i64>(message.copy.size());
    if (bytes != receive.bytes) {
      throw Mismatch(fmt::format("rank {} sent {} bytes where rank {} expects {}", envelope.from,
                                 bytes, envelope.to, receive.bytes));
    }
    const std::byte* data = message.lent != nullptr ? message.lent->data : message.copy.data();
    copy_into(receive, data);
    if (message.lent != nullptr) {
      message.lent->set_done();
      released.push_back(envelope.from);
    }
    lane.arrived.pop_front();
    lane.posted.pop_front();
    delivered = true;
  }
  erase_if_empty(envelope);
  return delivered;
}

bool Mailbox::deliver_or_wait(std::span<const Envelope> lanes, const Exchange& exchange,
                              Clock::time_point until, std::vector<int>& released) {
  const Lock lock(mutex_);
  if (!aborted_.empty()) throw LostRanks(aborted_);
  bool delivered = false;
  for (const Envelope& envelope : lanes) delivered |= deliver(envelope, released, until);
  if (delivered) return true;
  // A sender's or another thread's delivery ends with wake(), so none is missed from here on.
  const bool all_done = std::all_of(exchange.transfers.begin(), exchange.transfers.end(),
                                    [](const Transfer& transfer) { return transfer.is_done(); });
  if (!all_done && until > Clock::now()) changed_.wait_until(mutex_, until);
  return false;
}

void Mailbox::erase_if_empty(const Envelope& envelope) {
  const auto found = lanes_.find(envelope);
  if (found == lanes_.end()) return;
  if (found->second.arrived.empty() && found->second.posted.empty()) lanes_.erase(found);
}

void Mailbox::withdraw_receive(const Envelope& envelope, const Transfer& receive) noexcept {
  const Lock lock(mutex_);
  const auto found = lanes_.find(envelope);
  if (found == lanes_.end()) return;
  std::erase(found->second.posted, &receive);
  erase_if_empty(envelope);
}

void Mailbox::withdraw_send(const Envelope& envelope, const Transfer& send) noexcept {
  const Lock lock(mutex_);
  const auto found = lanes_.find(envelope);
  if (found == lanes_.end()) return;
  std::erase_if(found->second.arrived, [&](const Message& m) { return m.lent == &send; });
  erase_if_empty(envelope);
}

void Mailbox::wake() noexcept {
  { const Lock lock(mutex_); }  // whoever has looked already waits now
  changed_.notify_all();
}

void Mailbox::abort(const std::string& reason) noexcept {
  {
    const Lock lock(mutex_);
    if (aborted_.empty()) aborted_ = reason;
  }
  changed_.notify_all();
}

}  // namespace fathom::comm
