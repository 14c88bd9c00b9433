// Pages that go to another rank's engine or come from there, and requests that come with them.
#include "engine/run/engine_impl.h"

namespace fathom::engine {

Result<Submission> Engine::Impl::submit_handed(GenerateRequest request, HandedPrompt prompt) {
  return submit_job(std::move(request), std::move(prompt));
}

/// A sequence that holds pages and never runs.
std::unique_ptr<Sequence> Engine::Impl::holding_sequence(const GenerateRequest& request) const {
  auto job = std::make_shared<Job>();
  job->request.prompt_ids = request.prompt_ids;
  job->request.tenant = request.tenant;
  job->request.cache_salt = request.cache_salt;
  job->request.cache_use = request.cache_use;
  job->request.max_tokens = 0;
  return make_sequence(job, /*choice=*/0);
}

LentPages Engine::Impl::lend(std::unique_ptr<Sequence> sequence, i64 tokens) {
  LentPages lent{
      .handle = ++lent_handles_, .tokens = tokens, .exact_tokens = sequence->exact_tokens};
  const auto bytes = static_cast<size_t>(cache_.shape().page_bytes());
  for (const PageId page : sequence->pages) lent.pages.push_back({cache_.data(page), bytes});
  lent_.emplace(lent.handle, std::move(sequence));
  return lent;
}

LentPages Engine::Impl::lend_prompt(const GenerateRequest& request) {
  const std::lock_guard lock(mutex_);
  auto sequence = holding_sequence(request);
  const i64 tokens = pages_.adopt_from_memory(*sequence, reusable_tokens(*sequence));
  if (tokens == 0) return {};
  return lend(std::move(sequence), tokens);
}

std::optional<LentPages> Engine::Impl::lend_room(const GenerateRequest& request, i64 tokens) {
  const std::lock_guard lock(mutex_);
  auto sequence = holding_sequence(request);
  if (!pages_.grow(*sequence, tokens)) {
    pages_.release(*sequence);
    return std::nullopt;
  }
  return lend(std::move(sequence), tokens);
}

void Engine::Impl::publish_room(const LentPages& room, i64 exact_tokens) {
  const std::lock_guard lock(mutex_);
  Sequence& sequence = *lent_.at(room.handle);
  sequence.cache.adopt(room.tokens);
  sequence.exact_tokens = exact_tokens;
  pages_.publish(sequence, room.tokens);
}

void Engine::Impl::give_back(u64 handle) {
  const std::lock_guard lock(mutex_);
  const auto found = lent_.find(handle);
  FATHOM_CHECK(found != lent_.end(), "pages ", handle, " are given back twice");
  pages_.release(*found->second);
  lent_.erase(found);
}

std::unique_ptr<HandoverEngine> make_handover_engine(Ctx& ctx, const model::Model& model,
                                                     const tokenizer::Tokenizer* tokenizer,
                                                     const EngineOptions& options) {
  return std::make_unique<Engine::Impl>(ctx, model, tokenizer, options);
}

}  // namespace fathom::engine
