#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checked_math.h"
#include "engine/run/engine_impl.h"
#include "engine/run/start_costs.h"

namespace fathom::engine {
namespace {

CostModel start_costs(Ctx& ctx, const model::Model& model, const EngineOptions& options) {
  if (options.cost_measurement_s <= 0) return guessed_costs(model);
  return measured_costs(ctx, model,
                        {.run = options.run,
                         .cache_dtype = options.cache_dtype,
                         .chunk_tokens = options.limits.chunk_tokens,
                         .context_tokens = options.context_tokens,
                         .most_s = options.cost_measurement_s});
}

SchedulerLimits limits_for(const model::Model& model, SchedulerLimits limits) {
  limits.num_layers = model.config().num_hidden_layers;
  limits.pairs_per_held_token = pairs_per_held_token(model.config());
  return limits;
}

i64 mtp_layers(const model::Model& model, const EngineOptions& options) {
  return options.draft_tokens > 0 ? model.num_mtp() : 0;
}

model::KvCache::Routes routes_of(const EngineOptions& options) {
  return options.keep_routes ? model::KvCache::Routes::kKeep : model::KvCache::Routes::kForget;
}

device::PageShape page_shape(const model::Model& model, const EngineOptions& options) {
  return model::KvCache::page_shape(model.config(), options.cache_dtype, mtp_layers(model, options),
                                    routes_of(options));
}

/// Null if there is none. Rows are those of the kernels and settings that made them: others would
/// make other bits.
std::unique_ptr<DiskTier> make_tier(const Ctx& ctx, const EngineOptions& options,
                                    const device::PageShape& shape) {
  if (options.disk.directory.empty()) return nullptr;
  DiskTierOptions disk = options.disk;
  disk.content += fmt::format(" cache dtype {}, activations {}, kernels {} of format 1",
                              static_cast<int>(options.cache_dtype),
                              static_cast<int>(options.run.activations), ctx.isa_name());
  return std::make_unique<DiskTier>(disk, shape);
}

i64 num_pages(const EngineOptions& options) {
  const i64 tokens = std::max(options.cache_tokens, options.context_tokens);
  // One page more: a sequence of a whole context has drafts behind it.
  return ceil_div(tokens, device::kPageTokens) + 1;
}

}  // namespace

Engine::Impl::Impl(Ctx& ctx, const model::Model& model, const tokenizer::Tokenizer* tokenizer,
                   const EngineOptions& options)
    : ctx_(ctx),
      model_(model),
      tokenizer_(tokenizer),
      num_ids_(tokenizer != nullptr ? tokenizer->vocab_size() : model.config().vocab_size),
      options_(options),
      scheduler_(limits_for(model, options.limits), start_costs(ctx, model, options)),
      tier_(make_tier(ctx, options, page_shape(model, options))),
      cache_(page_shape(model, options),
             {.num_pages = engine::num_pages(options), .max_share = options.max_cache_share},
             tier_.get()),
      // Layers of routes lie behind the MTP modules', and may be cleared with them.
      pages_(cache_, mtp_layers(model, options) == 0
                         ? 0
                         : cache_.shape().layers - model.config().num_hidden_layers),
      decode_(ctx, model, options.run, mtp_layers(model, options) > 0),
      prefill_(ctx, model, options.run, mtp_layers(model, options) > 0),
      draft_length_(static_cast<int>(options.draft_tokens), options.limits.max_running) {
  FATHOM_CHECK(options.draft_tokens >= 0 && options.draft_tokens <= kMaxDrafts, "drafts of ",
               options.draft_tokens, " tokens");
  const i64 limit = model.config().max_position_embeddings;
  if (options.context_tokens < 1 || options.context_tokens > limit) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("a context of {} tokens was asked for; this model takes 1 to {} "
                            "(max_position_embeddings)",
                            options.context_tokens, limit));
  }
  if (mtp_layers(model, options) > 0) {
    drafter_.emplace(ctx, model, options.run, num_ids_);
  }
  const auto running = static_cast<size_t>(options.limits.max_running);
  entries_.resize(running + static_cast<size_t>(options.limits.max_waiting));
  batch_.reserve(running);
  wishes_.reserve(running);
  items_.reserve(running);
  completed_.reserve(running);
}

Engine::Impl::~Impl() {
  for (Entry& entry : entries_) {
    if (entry.job) finish(entry, FinishReason::kInterrupted);
  }
  for (const auto& [handle, sequence] : lent_) pages_.release(*sequence);
}

void Engine::Impl::fail_all(const std::string& message) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = message;  // a pass may be working on the sequences now
  }
  work_.notify_all();
}

void Engine::Impl::forget(const std::string& tenant) {
  {
    const std::lock_guard lock(mutex_);
    forgotten_.push_back(tenant);
  }
  work_.notify_all();
}

void Engine::Impl::wait(double timeout_s) {
  std::unique_lock lock(mutex_);
  if (scheduler_.has_work()) timeout_s = std::min(timeout_s, 0.001);  // readers, limits
  work_.wait_for(lock, std::chrono::duration<double>(timeout_s));
}

EngineCounters Engine::Impl::counters() const {
  const std::lock_guard lock(mutex_);
  EngineCounters counters = counters_;
  counters.drafts = draft_length_.counters();
  counters.preemptions = scheduler_.counters().preemptions;
  if (tier_) counters.disk = tier_->stats();
  for (const auto& [owner, stats] : cache_.stats()) {
    counters.cache_queries += static_cast<u64>(stats.queries);
    counters.cached_tokens += static_cast<u64>(stats.hit_tokens);
  }
  return counters;
}

i64 Engine::Impl::num_free_pages() const {
  const std::lock_guard lock(mutex_);
  return cache_.num_free();
}

i64 Engine::Impl::num_cached_pages() const {
  const std::lock_guard lock(mutex_);
  i64 pages = 0;
  for (const auto& [owner, stats] : cache_.stats()) pages += stats.pages;
  return pages;
}

i64 Engine::Impl::num_running() const {
  const std::lock_guard lock(mutex_);
  return scheduler_.num_running();
}

i64 Engine::Impl::num_waiting() const {
  const std::lock_guard lock(mutex_);
  return scheduler_.num_waiting();
}

double Engine::Impl::stalled_s() const {
  const std::lock_guard lock(mutex_);
  return scheduler_.has_work() ? now_s() - scheduler_.last_step_s() : 0.0;
}

std::unique_ptr<Engine> make_engine(Ctx& ctx, const model::Model& model,
                                    const tokenizer::Tokenizer* tokenizer,
                                    const EngineOptions& options) {
  return std::make_unique<Engine::Impl>(ctx, model, tokenizer, options);
}

}  // namespace fathom::engine
