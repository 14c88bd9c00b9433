#pragma once
// Internal to ranks/: what one rank's thread has of hand-overs.
#include <map>

#include "engine/ranks/prompt_handover.h"

namespace fathom::engine {

/// A prompt alone: as the rank that computes it sees it, and as caches know it.
GenerateRequest prompt_of(const GenerateRequest& request);

struct PromptHandover::Side {
  Side(i64 rank_in, PageSender sender_in, PageReceiver receiver_in)
      : rank(rank_in), sender(std::move(sender_in)), receiver(std::move(receiver_in)) {}

  const i64 rank;
  HandoverEngine* engine = nullptr;
  PageSender sender;
  PageReceiver receiver;
  std::map<u64, LentPages> sent, rooms;  // while they are lent, by request
};

}  // namespace fathom::engine
