// Requests come in: what is checked of them, and what an engine keeps of each.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checked_math.h"
#include "engine/run/engine_impl.h"

namespace fathom::engine {
namespace {

constexpr i64 kReservedEvents = 64;

}  // namespace

i64 Engine::Impl::max_new_tokens(const GenerateRequest& request) const {
  // A token after a full context is still known: the last row's logits are there.
  const i64 room = std::max<i64>(options_.context_tokens - std::ssize(request.prompt_ids) + 1, 1);
  return std::min(request.max_tokens, room);
}

i64 Engine::Impl::pages_for(i64 tokens) const { return ceil_div(tokens, device::kPageTokens); }

Result<void> Engine::Impl::check(const GenerateRequest& request) const {
  if (auto sampling = validate(request.sampling); !sampling) return sampling;
  const i64 prompt = std::ssize(request.prompt_ids), vocab = model_.config().vocab_size;
  if (prompt == 0) return invalid_input("the prompt holds no tokens, expected at least one");
  if (prompt > options_.context_tokens) {
    return invalid_input(fmt::format("the prompt has {} tokens, the context holds {} (--context)",
                                     prompt, options_.context_tokens));
  }
  for (const i32 id : request.prompt_ids) {
    if (id < 0 || id >= vocab) {
      return invalid_input(fmt::format("token id {} is outside the vocabulary of {}", id, vocab));
    }
  }
  for (const auto& [id, bias] : request.sampling.logit_bias) {
    if (id < 0 || id >= vocab) {
      return invalid_input(
          fmt::format("logit_bias: token id {} is outside the vocabulary of {}", id, vocab));
    }
  }
  const auto in_range = [](const char* name, i64 value, i64 low, i64 high) -> Result<void> {
    if (value >= low && value <= high) return {};
    return invalid_input(fmt::format("{} is {}, expected {} to {}", name, value, low, high));
  };
  constexpr i64 kAny = i64{1} << 40;
  for (const Result<void>& result :
       {in_range("max_tokens", request.max_tokens, 0, kAny),
        in_range("min_tokens", request.min_tokens, 0, kAny),
        in_range("num_choices", request.num_choices, 1, options_.limits.max_running),
        in_range("top_log_probs", request.top_log_probs, -1, kMaxTopLogProbs),
        in_range("prompt_log_probs_from", request.prompt_log_probs_from, -1, prompt),
        in_range("scored_next_id", request.scored_next_id, -1, vocab - 1)}) {
    if (!result) return result;
  }
  if (request.thinking) {
    const ThinkingParams& thinking = *request.thinking;
    if (auto id = in_range("thinking.end_id", thinking.end_id, 0, num_ids_ - 1); !id) {
      return id;
    }
    if (thinking.max_tokens < 0) {
      return invalid_input(
          fmt::format("thinking.max_tokens is {}, expected >= 0", thinking.max_tokens));
    }
    if (std::ranges::count(request.stop_token_ids, thinking.end_id) > 0) {
      return invalid_input(fmt::format(
          "thinking.end_id is {}, which is also one of stop_token_ids: nothing would follow the "
          "thought",
          thinking.end_id));
    }
  }
  if (!(request.weight > 0)) {
    return invalid_input(fmt::format("weight is {}, expected > 0", request.weight));
  }
  const i64 needed = pages_for(prompt + max_new_tokens(request));
  if (needed > cache_.num_pages()) {
    return invalid_input(
        fmt::format("the prompt and {} new tokens need {} pages of {} tokens, the cache has {}",
                    max_new_tokens(request), needed, device::kPageTokens, cache_.num_pages()));
  }
  return {};
}

Engine::Impl::Entry& Engine::Impl::add_entry(RequestId id, std::shared_ptr<Job> job) {
  if (id.slot >= entries_.size()) entries_.resize(id.slot + 1);
  Entry& entry = entries_[id.slot];
  entry = {};
  entry.id = id;
  entry.job = std::move(job);
  return entry;
}

Engine::Impl::Entry* Engine::Impl::find(RequestId id) {
  if (id.slot >= entries_.size()) return nullptr;
  Entry& entry = entries_[id.slot];
  return entry.job && entry.id == id ? &entry : nullptr;
}

std::unique_ptr<Sequence> Engine::Impl::make_sequence(const std::shared_ptr<Job>& job,
                                                      i32 choice) const {
  const GenerateRequest& request = job->request;
  const i64 prompt = std::ssize(request.prompt_ids);
  const i64 most = prompt + max_new_tokens(request) + options_.draft_tokens;
  const i64 capacity = std::min(most, model_.config().max_position_embeddings);
  auto sequence = std::make_unique<Sequence>(
      job, choice,
      model::KvCache::of_lent_pages(
          model_.config(), options_.cache_dtype, capacity, drafter_ ? drafter_->depths() : 0,
          options_.keep_routes ? model::KvCache::Routes::kKeep : model::KvCache::Routes::kForget),
      Sampler(request.sampling, model_.config().vocab_size, num_ids_, static_cast<u64>(choice)),
      TextStream(tokenizer_, request.stop));
  sequence->ids.reserve(static_cast<size_t>(most));
  sequence->ids = request.prompt_ids;
  sequence->pages.reserve(static_cast<size_t>(pages_for(most)));
  sequence->step_ids.reserve(static_cast<size_t>(options_.draft_tokens + 1));
  sequence->max_new_tokens = max_new_tokens(request);
  sequence->sampler.observe_prompt(request.prompt_ids);
  if (request.make_mask) sequence->mask = request.make_mask();
  sequence->drafts = draft_length_.begin();
  return sequence;
}

Result<Submission> Engine::Impl::submit(GenerateRequest request) {
  return submit_job(std::move(request), std::nullopt);
}

Result<Submission> Engine::Impl::submit_job(GenerateRequest request,
                                            std::optional<HandedPrompt> prompt) {
  if (const auto checked = check(request); !checked) return tl::unexpected(checked.error());
  auto job = std::make_shared<Job>();
  job->request = std::move(request);
  job->stream = prompt ? prompt->stream : std::make_shared<Stream>();
  const GenerateRequest& asked = job->request;
  job->stats.prompt_tokens = std::ssize(asked.prompt_ids);
  if (!prompt) job->stream->open(asked.num_choices, kReservedEvents * asked.num_choices);
  {
    const std::lock_guard lock(mutex_);
    const double now = now_s();
    job->submitted_s = now - (prompt ? prompt->elapsed_s : 0.0);
    if (prompt) job->handed = {.cached_tokens = prompt->cached_tokens, .queue_s = prompt->queue_s};
    const auto tenant = tenants_.try_emplace(asked.tenant, tenants_.size()).first->second;
    const Admission admission =
        scheduler_.submit({.tenant = tenant,
                           .terms = {.weight = asked.weight, .max_parallel = asked.max_parallel},
                           .prompt_tokens = job->stats.prompt_tokens,
                           .max_new_tokens = std::max<i64>(max_new_tokens(asked), 1),
                           .sequences = asked.num_choices,
                           .priority = asked.priority},
                          now);
    if (admission.outcome != AdmissionOutcome::kAccepted) {
      return Submission{.stream = nullptr, .retry_after_s = admission.retry_after_s};
    }
    add_entry(admission.id, job);
  }
  work_.notify_all();
  return Submission{.stream = job->stream};
}

}  // namespace fathom::engine
