#include "engine/handover/states.h"

namespace fathom::engine {
namespace {

template <typename State, typename Event>
struct Row {
  State from;
  Event event;
  State to;
  Say say = Say::kNothing;
};

using S = SendState;
using R = ReceiveState;

// kLastPage: the last page was handed to the messages' way, and the hash follows it.
constexpr std::array kSendRows = {
    Row<S, SendEvent>{S::kOffered, SendEvent::kAccept, S::kSending},
    Row<S, SendEvent>{S::kOffered, SendEvent::kRefuse, S::kRefused},
    Row<S, SendEvent>{S::kSending, SendEvent::kLastPage, S::kSent, Say::kComplete},
    Row<S, SendEvent>{S::kSent, SendEvent::kReceived, S::kDone},
    // The other side refused, or has no such hand-over any more: nothing of it can follow.
    Row<S, SendEvent>{S::kAborting, SendEvent::kRefuse, S::kAborted},
    Row<S, SendEvent>{S::kAborting, SendEvent::kAborted, S::kAborted},
    Row<S, SendEvent>{S::kAborting, SendEvent::kDeadline, S::kLost},
    // The receiver gives up: it writes nothing of ours any more.
    Row<S, SendEvent>{S::kOffered, SendEvent::kAbort, S::kAborted, Say::kAborted},
    Row<S, SendEvent>{S::kSending, SendEvent::kAbort, S::kAborted, Say::kAborted},
    Row<S, SendEvent>{S::kSent, SendEvent::kAbort, S::kAborted, Say::kAborted},
    // Aborts that crossed: ours is answered too.
    Row<S, SendEvent>{S::kAborting, SendEvent::kAbort, S::kAborting, Say::kAborted},
    Row<S, SendEvent>{S::kOffered, SendEvent::kCancel, S::kAborting, Say::kAbort},
    Row<S, SendEvent>{S::kSending, SendEvent::kCancel, S::kAborting, Say::kAbort},
    Row<S, SendEvent>{S::kSent, SendEvent::kCancel, S::kAborting, Say::kAbort},
    Row<S, SendEvent>{S::kOffered, SendEvent::kDeadline, S::kAborting, Say::kAbort},
    Row<S, SendEvent>{S::kSending, SendEvent::kDeadline, S::kAborting, Say::kAbort},
    Row<S, SendEvent>{S::kSent, SendEvent::kDeadline, S::kAborting, Say::kAbort},
};

constexpr std::array kReceiveRows = {
    Row<R, ReceiveEvent>{R::kReceiving, ReceiveEvent::kComplete, R::kReady, Say::kReceived},
    Row<R, ReceiveEvent>{R::kReceiving, ReceiveEvent::kIncomplete, R::kAborting, Say::kAbort},
    Row<R, ReceiveEvent>{R::kReceiving, ReceiveEvent::kAbort, R::kAborted, Say::kAborted},
    Row<R, ReceiveEvent>{R::kReceiving, ReceiveEvent::kCancel, R::kAborting, Say::kAbort},
    Row<R, ReceiveEvent>{R::kReceiving, ReceiveEvent::kDeadline, R::kAborting, Say::kAbort},
    Row<R, ReceiveEvent>{R::kAborting, ReceiveEvent::kAborted, R::kAborted},
    // Ours is on its way to a side that ended by its own: no page follows its abort.
    Row<R, ReceiveEvent>{R::kAborting, ReceiveEvent::kAbort, R::kAborted, Say::kAborted},
    Row<R, ReceiveEvent>{R::kAborting, ReceiveEvent::kDeadline, R::kLost},
    // The client went away after the last page: decoding ends.
    Row<R, ReceiveEvent>{R::kReady, ReceiveEvent::kAbort, R::kAborted, Say::kAborted},
};

template <typename State, typename Event, size_t N>
Step<State> find(const std::array<Row<State, Event>, N>& rows, State state, Event event) {
  for (const auto& row : rows) {
    if (row.from == state && row.event == event) return {row.to, row.say};
  }
  return {state, event == Event::kAbort ? Say::kAborted : Say::kNothing};
}

}  // namespace

Step<SendState> next(SendState state, SendEvent event) { return find(kSendRows, state, event); }
Step<ReceiveState> next(ReceiveState state, ReceiveEvent event) {
  return find(kReceiveRows, state, event);
}

std::string_view name(SendState state) {
  constexpr std::array<std::string_view, kNumSendStates> kNames = {
      "offered", "sending", "sent", "aborting", "done", "refused", "aborted", "lost"};
  return kNames[static_cast<size_t>(state)];
}

std::string_view name(ReceiveState state) {
  constexpr std::array<std::string_view, kNumReceiveStates> kNames = {"receiving", "aborting",
                                                                      "ready", "aborted", "lost"};
  return kNames[static_cast<size_t>(state)];
}

}  // namespace fathom::engine
