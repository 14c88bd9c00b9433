#include "base/check.h"
#include "engine/handover/handover.h"

namespace fathom::engine {

PageSender::PageSender(const HandoverDeadlines& deadlines, SayIt say,
                       std::function<void(u64, SendState)> ended)
    : deadlines_(deadlines), say_(std::move(say)), ended_(std::move(ended)) {}

void PageSender::offer(u64 request, std::vector<std::span<const u8>> pages, double now_s) {
  FATHOM_CHECK(!sends_.contains(request) && !pages.empty(), "request ", request, " with ",
               pages.size(), " pages");
  Send send;
  send.generation = ++generations_;
  send.pages = std::move(pages);
  send.since_s = now_s;
  const HandoverMessage message{.say = Say::kOffer,
                                .request = request,
                                .generation = send.generation,
                                .index = std::ssize(send.pages)};
  sends_.emplace(request, std::move(send));
  say_(message);
}

void PageSender::cancel(u64 request, double now_s) {
  if (sends_.contains(request)) happen(request, SendEvent::kCancel, now_s);
}

void PageSender::hear(const HandoverMessage& message, double now_s) {
  const auto found = sends_.find(message.request);
  if (found == sends_.end() || found->second.generation != message.generation) {
    if (message.say != Say::kAbort) return;  // it is over here
    return say_(
        {.say = Say::kAborted, .request = message.request, .generation = message.generation});
  }
  switch (message.say) {
    case Say::kAccept:
      return happen(message.request, SendEvent::kAccept, now_s);
    case Say::kRefuse:
      return happen(message.request, SendEvent::kRefuse, now_s);
    case Say::kReceived:
      return happen(message.request, SendEvent::kReceived, now_s);
    case Say::kAbort:
      return happen(message.request, SendEvent::kAbort, now_s);
    case Say::kAborted:
      return happen(message.request, SendEvent::kAborted, now_s);
    case Say::kNothing:
    case Say::kOffer:
    case Say::kPage:
    case Say::kComplete:
      return;
  }
}

std::optional<SendState> PageSender::state(u64 request) const {
  const auto found = sends_.find(request);
  if (found == sends_.end()) return std::nullopt;
  return found->second.state;
}

void PageSender::look_around(double now_s, i64 pages) {
  std::vector<u64> late;
  for (auto& [request, send] : sends_) {
    const double limit = send.state == SendState::kAborting  ? deadlines_.abort_s
                         : send.state == SendState::kSending ? deadlines_.progress_s
                                                             : deadlines_.answer_s;
    if (now_s - send.since_s > limit) late.push_back(request);
  }
  for (const u64 request : late) happen(request, SendEvent::kDeadline, now_s);
  std::vector<u64> sending;
  for (const auto& [request, send] : sends_) {
    if (send.state == SendState::kSending) sending.push_back(request);
  }
  for (const u64 request : sending) send_pages(request, sends_.at(request), now_s, pages);
}

void PageSender::send_pages(u64 request, Send& send, double now_s, i64 pages) {
  for (i64 i = 0; i < pages && send.next < send.pages.size(); ++i, ++send.next) {
    const std::span<const u8> page = send.pages[send.next];
    send.hasher.update(page);
    send.since_s = now_s;
    say_({.say = Say::kPage,
          .request = request,
          .generation = send.generation,
          .index = static_cast<i64>(send.next),
          .page = {page.begin(), page.end()}});
  }
  if (send.next == send.pages.size()) happen(request, SendEvent::kLastPage, now_s);
}

void PageSender::happen(u64 request, SendEvent event, double now_s) {
  Send& send = sends_.at(request);
  const Step<SendState> step = next(send.state, event);
  if (step.to != send.state) send.since_s = now_s;
  send.state = step.to;
  HandoverMessage message{.say = step.say, .request = request, .generation = send.generation};
  if (step.say == Say::kComplete) message.hash = send.hasher.digest();
  const bool ends = is_end(step.to);
  if (ends) sends_.erase(request);
  if (step.say != Say::kNothing) say_(std::move(message));
  if (ends) ended_(request, step.to);
}

}  // namespace fathom::engine
