#pragma once
// Cached pages on their way from the rank that computed a prompt to the one that decodes: the
// tables of states.h with pages, hashes and clocks. Names no cache and no transport.
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "engine/handover/states.h"
#include "io/content_hash.h"

namespace fathom::engine {

struct HandoverMessage {
  Say say = Say::kNothing;
  u64 request = 0;
  /// Of the attempt: pages of an earlier one come too late and are not written.
  u64 generation = 0;
  i64 index = 0;     // kPage: which; kOffer: how many there are
  io::Hash128 hash;  // kComplete: of all pages in order
  std::vector<u8> page = {};
};
/// Carries it away: calls neither side back before it returns.
using SayIt = std::function<void(HandoverMessage)>;

/// Without news for so long in a state.
struct HandoverDeadlines {
  double answer_s = 5.0;     // to an offer, to the last page
  double progress_s = 10.0;  // between pages
  double abort_s = 2.0;      // to an abort; then the other side is cut off
};

/// Of the side that computed prompts. For one thread; `now_s` rises.
class PageSender {
 public:
  /// `ended`(request, state): its pages may be given back.
  PageSender(const HandoverDeadlines& deadlines, SayIt say,
             std::function<void(u64 request, SendState state)> ended);

  /// `pages` stay as they are until `ended`. The request must not be under way.
  void offer(u64 request, std::vector<std::span<const u8>> pages, double now_s);
  /// The client is gone.
  void cancel(u64 request, double now_s);
  void hear(const HandoverMessage& message, double now_s);
  /// Deadlines, and up to `pages` pages of each that is being sent.
  void look_around(double now_s, i64 pages);
  i64 under_way() const { return std::ssize(sends_); }
  /// nullopt: not under way, or over.
  std::optional<SendState> state(u64 request) const;

 private:
  struct Send {
    SendState state = SendState::kOffered;
    u64 generation = 0;
    std::vector<std::span<const u8>> pages;
    size_t next = 0;
    io::Hasher hasher;
    double since_s = 0;
  };
  void happen(u64 request, SendEvent event, double now_s);
  void send_pages(u64 request, Send& send, double now_s, i64 pages);

  HandoverDeadlines deadlines_;
  SayIt say_;
  std::function<void(u64, SendState)> ended_;
  std::map<u64, Send> sends_;
  u64 generations_ = 0;
};

/// Of the side that decodes. For one thread.
class PageReceiver {
 public:
  /// Memory for so many pages, which nobody else writes until `changed` says that it is free;
  /// nullopt: there is none, the offer is refused.
  using Room = std::function<std::optional<std::vector<std::span<u8>>>(u64 request, i64 pages)>;
  /// kReady: all pages are there and right. kAborted, kLost: they may be given back, and what
  /// decodes behind them ends.
  using Changed = std::function<void(u64 request, ReceiveState state)>;
  PageReceiver(const HandoverDeadlines& deadlines, SayIt say, Room room, Changed changed);

  void hear(const HandoverMessage& message, double now_s);
  void cancel(u64 request, double now_s);
  void look_around(double now_s);
  /// A ready one's sequence has begun and looks after its pages: an abort comes too late.
  void forget(u64 request);
  i64 under_way() const { return std::ssize(receives_); }
  std::optional<ReceiveState> state(u64 request) const;
  /// Pages of attempts that were over, not written.
  i64 late_pages() const { return late_pages_; }

 private:
  struct Receive {
    ReceiveState state = ReceiveState::kReceiving;
    u64 generation = 0;
    std::vector<std::span<u8>> pages;
    size_t next = 0;  // they come in order
    bool is_damaged = false;
    double since_s = 0;
  };
  void begin(const HandoverMessage& offer, double now_s);
  void write(Receive& receive, const HandoverMessage& message, double now_s);
  static bool is_right(const Receive& receive, const io::Hash128& hash);
  void happen(u64 request, ReceiveEvent event, double now_s);
  void answer(const HandoverMessage& message, Say say);

  HandoverDeadlines deadlines_;
  SayIt say_;
  Room room_;
  Changed changed_;
  std::map<u64, Receive> receives_;
  i64 late_pages_ = 0;
};

}  // namespace fathom::engine
