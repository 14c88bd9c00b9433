#include "engine/ranks/prompt_handover.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/ranks/prompt_handover_side.h"

namespace fathom::engine {
namespace {

bool stays_whole(const GenerateRequest& request) {
  return request.prompt_log_probs_from >= 0 || request.cache_use == CacheUse::kNone;
}

}  // namespace

GenerateRequest prompt_of(const GenerateRequest& request) {
  GenerateRequest prompt;
  prompt.prompt_ids = request.prompt_ids;
  prompt.max_tokens = 0;
  prompt.draft = request.draft;  // else the rows of MTP modules would be missing
  prompt.cache_use = request.cache_use;
  prompt.tenant = request.tenant;
  prompt.cache_salt = request.cache_salt;
  prompt.weight = request.weight;
  prompt.max_parallel = request.max_parallel;
  prompt.priority = request.priority;
  return prompt;
}

PromptHandover::PromptHandover(i64 ranks, i64 prefill_ranks, PromptHandoverOptions options,
                               std::function<void()> tell)
    : prefill_ranks_(prefill_ranks),
      options_(std::move(options)),
      tell_(std::move(tell)),
      mail_(static_cast<size_t>(ranks)) {
  FATHOM_CHECK(prefill_ranks >= 1 && prefill_ranks < ranks, prefill_ranks, " of ", ranks);
  counters_.prefill_ranks = prefill_ranks;
  for (i64 r = 0; r < ranks; ++r) make_side(r);
}

PromptHandover::~PromptHandover() {
  const Lock lock(mutex_);
  while (!requests_.empty()) end(requests_.begin()->first, FinishReason::kInterrupted, "");
}

/// A request's number says between which ranks it is: messages find their way when it is over, too.
u64 PromptHandover::new_id(i64 prefill, i64 decode) {
  const auto ranks = static_cast<u64>(mail_.size());
  return (++ids_ * ranks + static_cast<u64>(prefill)) * ranks + static_cast<u64>(decode);
}

i64 PromptHandover::other_rank(u64 id, i64 rank) const {
  const auto ranks = static_cast<u64>(sides_.size());
  const auto decode = static_cast<i64>(id % ranks), prefill = static_cast<i64>(id / ranks % ranks);
  return rank == prefill ? decode : prefill;
}

void PromptHandover::make_side(i64 rank) {
  const auto say = [this, rank](HandoverMessage message) {
    {
      const Lock lock(mutex_);
      const i64 to = other_rank(message.request, rank);
      mail_[static_cast<size_t>(to)].push_back(std::move(message));
    }
    tell_();
  };
  const auto side = [this, rank]() -> Side& { return *sides_[static_cast<size_t>(rank)]; };
  sides_.push_back(std::make_unique<Side>(
      rank,
      PageSender(options_.deadlines, say,
                 [this, side](u64 id, SendState state) { sent(side(), id, state); }),
      PageReceiver(
          options_.deadlines, say,
          [this, side](u64 id, i64 pages) { return room(side(), id, pages); },
          [this, side](u64 id, ReceiveState state) { received(side(), id, state); })));
}

void PromptHandover::set_engine(i64 rank, HandoverEngine& engine) {
  sides_[static_cast<size_t>(rank)]->engine = &engine;
}

double PromptHandover::now_s() const {
  return options_.now_s ? options_.now_s() : seconds_since(epoch_);
}

Result<Submission> PromptHandover::submit(GenerateRequest request, i64 prefill, i64 decode) {
  HandoverEngine& computes = *sides_[static_cast<size_t>(prefill)]->engine;
  if (stays_whole(request)) return computes.submit(std::move(request));
  if (auto checked = sides_[static_cast<size_t>(decode)]->engine->check(request); !checked) {
    return tl::unexpected(checked.error());
  }
  auto prompt = computes.submit(prompt_of(request));
  if (!prompt || prompt->stream == nullptr) return prompt;
  auto stream = std::make_shared<Stream>();
  stream->open(request.num_choices, 0);
  {
    const Lock lock(mutex_);
    const double now = now_s();
    requests_.emplace(new_id(prefill, decode), Request{.request = std::move(request),
                                                       .stream = stream,
                                                       .prompt = std::move(prompt->stream),
                                                       .prefill = prefill,
                                                       .decode = decode,
                                                       .submitted_s = now,
                                                       .phase_s = now});
  }
  return Submission{.stream = std::move(stream)};
}

/// The rank whose thread brings it forward.
i64 PromptHandover::whose_turn(const Request& request) {
  return request.phase == Phase::kPlace ? request.decode : request.prefill;
}

std::vector<u64> PromptHandover::ids_of(i64 rank, Phase phase) const {
  const Lock lock(mutex_);
  std::vector<u64> ids;
  for (const auto& [id, request] : requests_) {
    if (request.phase == phase && whose_turn(request) == rank) ids.push_back(id);
  }
  return ids;
}

bool PromptHandover::look_around(i64 rank) {
  Side& side = *sides_[static_cast<size_t>(rank)];
  std::deque<HandoverMessage> mail;
  {
    const Lock lock(mutex_);
    mail.swap(mail_[static_cast<size_t>(rank)]);
  }
  const double now = now_s();
  const bool sends = rank < prefill_ranks_;
  for (const HandoverMessage& message : mail) {
    if (sends) {
      side.sender.hear(message, now);
    } else {
      side.receiver.hear(message, now);
    }
  }
  for (const u64 id : ids_of(rank, Phase::kPrompt)) look_at_prompt(side, id);
  for (const u64 id : ids_of(rank, Phase::kRows)) look_at_rows(side, id);
  side.sender.look_around(now, options_.pages_a_look);
  side.receiver.look_around(now);
  for (const u64 id : ids_of(rank, Phase::kPlace)) begin(side, id);
  return side.sender.under_way() > 0 || side.receiver.under_way() > 0 ||
         !ids_of(rank, Phase::kPlace).empty();
}

void PromptHandover::to_place(u64 id) {
  Request& request = requests_.at(id);
  request.phase = Phase::kPlace;
  request.phase_s = now_s();
}

void PromptHandover::end(u64 id, FinishReason reason, const std::string& error) {
  const Request& request = requests_.at(id);
  if (!error.empty()) request.stream->set_error(error);
  Event event{.kind = Event::Kind::kFinish, .id = -1, .reason = reason};
  for (i64 choice = 0; choice < request.request.num_choices; ++choice) {
    event.choice = static_cast<i32>(choice);
    request.stream->write(event, {});
  }
  request.stream->notify();
  request.prompt->cancel();
  requests_.erase(id);
}

void PromptHandover::fail_rank(i64 rank, const std::string& message) {
  const Lock lock(mutex_);
  std::vector<u64> ids;
  for (const auto& [id, request] : requests_) {
    if (whose_turn(request) == rank) ids.push_back(id);
  }
  for (const u64 id : ids) end(id, FinishReason::kError, message);
}

void PromptHandover::forget(const std::string& tenant) {
  const Lock lock(mutex_);
  for (auto& [id, request] : requests_) {
    if (request.request.tenant == tenant) request.request.cache_use = CacheUse::kNone;
  }
}

HandoverCounters PromptHandover::counters() const {
  const Lock lock(mutex_);
  HandoverCounters counters = counters_;
  for (const auto& [id, request] : requests_) {
    counters.prompts += request.phase == Phase::kPrompt ? 1 : 0;
    counters.rows += request.phase == Phase::kRows ? 1 : 0;
    counters.places += request.phase == Phase::kPlace ? 1 : 0;
  }
  return counters;
}

i64 PromptHandover::under_way() const {
  const Lock lock(mutex_);
  return std::ssize(requests_);
}

i64 PromptHandover::to_come(i64 rank) const {
  const Lock lock(mutex_);
  return std::ranges::count_if(requests_,
                               [&](const auto& each) { return each.second.decode == rank; });
}

}  // namespace fathom::engine
