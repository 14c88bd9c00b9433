#include <algorithm>

#include "base/check.h"
#include "engine/handover/handover.h"

namespace fathom::engine {

PageReceiver::PageReceiver(const HandoverDeadlines& deadlines, SayIt say, Room room,
                           Changed changed)
    : deadlines_(deadlines),
      say_(std::move(say)),
      room_(std::move(room)),
      changed_(std::move(changed)) {}

void PageReceiver::answer(const HandoverMessage& message, Say say) {
  say_({.say = say, .request = message.request, .generation = message.generation});
}

void PageReceiver::hear(const HandoverMessage& message, double now_s) {
  if (message.say == Say::kOffer) return begin(message, now_s);
  const auto found = receives_.find(message.request);
  if (found == receives_.end() || found->second.generation != message.generation) {
    if (message.say == Say::kPage) ++late_pages_;
    if (message.say == Say::kAbort) answer(message, Say::kAborted);
    if (message.say == Say::kComplete) answer(message, Say::kAbort);  // it is over here
    return;
  }
  Receive& receive = found->second;
  switch (message.say) {
    case Say::kPage:
      return write(receive, message, now_s);
    case Say::kComplete:
      return happen(
          message.request,
          is_right(receive, message.hash) ? ReceiveEvent::kComplete : ReceiveEvent::kIncomplete,
          now_s);
    case Say::kAbort:
      return happen(message.request, ReceiveEvent::kAbort, now_s);
    case Say::kAborted:
      return happen(message.request, ReceiveEvent::kAborted, now_s);
    case Say::kNothing:
    case Say::kOffer:
    case Say::kAccept:
    case Say::kRefuse:
    case Say::kReceived:
      return;
  }
}

/// An offer of a request that is under way: the sender has begun anew and writes the old pages no
/// more.
void PageReceiver::begin(const HandoverMessage& offer, double now_s) {
  if (const auto old = receives_.find(offer.request); old != receives_.end()) {
    if (old->second.generation >= offer.generation) return;
    happen(offer.request, ReceiveEvent::kAbort, now_s);
    receives_.erase(offer.request);
  }
  auto pages = room_(offer.request, offer.index);
  if (!pages) return answer(offer, Say::kRefuse);
  receives_[offer.request] = {
      .generation = offer.generation, .pages = std::move(*pages), .since_s = now_s};
  answer(offer, Say::kAccept);
}

/// A page that is not the next one, or of another size, is not written: the hash will not fit.
void PageReceiver::write(Receive& receive, const HandoverMessage& message, double now_s) {
  if (receive.state != ReceiveState::kReceiving) {
    ++late_pages_;
    return;
  }
  const bool is_next = message.index == static_cast<i64>(receive.next) &&
                       receive.next < receive.pages.size() &&
                       message.page.size() == receive.pages[receive.next].size();
  if (!is_next) {
    receive.is_damaged = true;
    return;
  }
  std::ranges::copy(message.page, receive.pages[receive.next++].begin());
  receive.since_s = now_s;
}

bool PageReceiver::is_right(const Receive& receive, const io::Hash128& hash) {
  if (receive.is_damaged || receive.next != receive.pages.size()) return false;
  io::Hasher hasher;
  for (const std::span<u8> page : receive.pages) hasher.update(page);
  return hasher.digest() == hash;
}

void PageReceiver::cancel(u64 request, double now_s) {
  if (receives_.contains(request)) happen(request, ReceiveEvent::kCancel, now_s);
}

std::optional<ReceiveState> PageReceiver::state(u64 request) const {
  const auto found = receives_.find(request);
  if (found == receives_.end()) return std::nullopt;
  return found->second.state;
}

void PageReceiver::look_around(double now_s) {
  std::vector<u64> late;
  for (const auto& [request, receive] : receives_) {
    if (is_end(receive.state)) continue;
    const bool aborts = receive.state == ReceiveState::kAborting;
    const double limit = aborts ? deadlines_.abort_s : deadlines_.progress_s;
    if (now_s - receive.since_s > limit) late.push_back(request);
  }
  for (const u64 request : late) happen(request, ReceiveEvent::kDeadline, now_s);
}

void PageReceiver::forget(u64 request) {
  FATHOM_CHECK(state(request) == ReceiveState::kReady, "request ", request, " is not ready");
  receives_.erase(request);
}

void PageReceiver::happen(u64 request, ReceiveEvent event, double now_s) {
  Receive& receive = receives_.at(request);
  const Step<ReceiveState> step = next(receive.state, event);
  const bool changes = step.to != receive.state;
  if (changes) receive.since_s = now_s;
  receive.state = step.to;
  const HandoverMessage message{
      .say = step.say, .request = request, .generation = receive.generation};
  if (!holds_pages(step.to)) receives_.erase(request);
  if (step.say != Say::kNothing) say_(message);
  if (changes && is_end(step.to)) changed_(request, step.to);
}

}  // namespace fathom::engine
