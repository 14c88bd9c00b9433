// Rows that arrive, and the requests behind them: on the rank that decodes.
#include "base/check.h"
#include "engine/ranks/prompt_handover_side.h"

namespace fathom::engine {
namespace {

const std::string kNoPlace = "the rank that was to answer had no place in its queue for too long";

}  // namespace

std::optional<std::vector<std::span<u8>>> PromptHandover::room(Side& side, u64 id, i64 pages) {
  GenerateRequest asked;
  i64 tokens = 0;
  {
    const Lock lock(mutex_);
    const auto found = requests_.find(id);
    if (found == requests_.end()) return std::nullopt;
    asked = prompt_of(found->second.request);
    tokens = found->second.tokens;
  }
  if (asked.cache_use == CacheUse::kNone) return std::nullopt;  // its tenant was forgotten
  auto room = side.engine->lend_room(asked, tokens);
  if (!room) return std::nullopt;
  FATHOM_CHECK(std::ssize(room->pages) == pages, room->pages.size(), " pages for ", pages);
  auto spans = room->pages;
  side.rooms.emplace(id, std::move(*room));
  return spans;
}

void PromptHandover::received(Side& side, u64 id, ReceiveState state) {
  const LentPages room = std::move(side.rooms.at(id));
  side.rooms.erase(id);
  bool is_wanted = false;
  i64 exact_tokens = 0;
  if (state == ReceiveState::kReady) {
    side.receiver.forget(id);
    const Lock lock(mutex_);
    const auto found = requests_.find(id);
    is_wanted = found != requests_.end() && found->second.phase == Phase::kRows;
    if (is_wanted) {
      const Request& request = found->second;
      exact_tokens = request.exact_tokens;
      ++counters_.done;
      counters_.pages += room.pages.size();
      for (const std::span<u8> page : room.pages) counters_.bytes += page.size();
      counters_.rows_s += now_s() - request.phase_s;
      is_wanted = request.request.cache_use != CacheUse::kNone;
      to_place(id);
    }
  }
  if (is_wanted) side.engine->publish_room(room, exact_tokens);
  side.engine->give_back(room.handle);
}

/// Its engine takes it, or it waits for a place there.
void PromptHandover::begin(Side& side, u64 id) {
  GenerateRequest asked;
  HandedPrompt prompt;
  {
    const Lock lock(mutex_);
    const auto found = requests_.find(id);
    if (found == requests_.end()) return;
    const Request& request = found->second;
    if (request.stream->cancelled()) return end(id, FinishReason::kInterrupted, "");
    const double now = now_s();
    if (now - request.phase_s > options_.place_s) return end(id, FinishReason::kError, kNoPlace);
    const RequestStats stats = request.prompt->stats();
    prompt = {.stream = request.stream,
              .cached_tokens = stats.cached_tokens,
              .queue_s = stats.queue_s,
              .elapsed_s = now - request.submitted_s};
    asked = request.request;
  }
  const auto submission = side.engine->submit_handed(std::move(asked), std::move(prompt));
  const Lock lock(mutex_);
  if (!requests_.contains(id)) return;
  if (!submission) return end(id, FinishReason::kError, submission.error().message());
  if (submission->stream != nullptr) requests_.erase(id);
}

}  // namespace fathom::engine
