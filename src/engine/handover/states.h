#pragma once
// The two sides of a hand-over of cached pages, from the rank that computed a prompt to the one
// that decodes behind it, as tables: what each state does on each event. Pure, so that every
// reachable pair of states can be visited (the tests do). Source: DeepSeek-V3 §3.4.
//
// Rules that the tables keep:
//   - every state that waits has a deadline, and a deadline leads on
//   - an abort is told to the other side at once, by either side, in any state
//   - pages are given back when the other side has said that it is through with them, or when it
//     was cut off (kLost): no message of it counts after that
//   - decoding starts on a complete hand-over whose hash is right, never on a part of one
// Messages of one direction arrive in order; a side may fall silent at any point.
#include <array>
#include <string_view>

#include "base/types.h"

namespace fathom::engine {

/// What the sides say. kPage comes with a page.
enum class Say {
  kNothing,
  kOffer,
  kAccept,
  kRefuse,
  kPage,
  kComplete,
  kReceived,
  kAbort,
  kAborted
};

/// The side that computed the prompt.
enum class SendState {
  kOffered,   // waits for kAccept
  kSending,   // pages go
  kSent,      // waits for kReceived
  kAborting,  // waits for kAborted
  // Ends: pages are given back.
  kDone,
  kRefused,  // the other side computes the prompt itself, or another one is asked
  kAborted,
  kLost,  // the other side said nothing for too long, and is cut off
};
/// The side that decodes.
enum class ReceiveState {
  kReceiving,  // pages come
  kAborting,   // waits for kAborted
  kReady,      // complete: decoding may start, the pages are its sequence's
  // Ends: pages are given back.
  kAborted,
  kLost,
};
inline constexpr i64 kNumSendStates = 8, kNumReceiveStates = 5;

enum class SendEvent {
  kAccept,
  kRefuse,
  kLastPage,
  kReceived,
  kAbort,
  kAborted,
  kCancel,
  kDeadline
};
enum class ReceiveEvent { kComplete, kIncomplete, kAbort, kAborted, kCancel, kDeadline };
inline constexpr i64 kNumSendEvents = 8, kNumReceiveEvents = 6;

template <typename State>
struct Step {
  State to{};
  Say say = Say::kNothing;
};

/// What happens. An event that means nothing in a state leaves it as it is and says nothing;
/// kAbort is always answered.
Step<SendState> next(SendState state, SendEvent event);
Step<ReceiveState> next(ReceiveState state, ReceiveEvent event);

constexpr bool is_end(SendState state) { return state >= SendState::kDone; }
constexpr bool is_end(ReceiveState state) { return state >= ReceiveState::kReady; }
/// Holds pages that others may not have yet.
constexpr bool holds_pages(SendState state) { return !is_end(state); }
constexpr bool holds_pages(ReceiveState state) { return state <= ReceiveState::kReady; }

std::string_view name(SendState state);
std::string_view name(ReceiveState state);

}  // namespace fathom::engine
