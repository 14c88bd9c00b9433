#include "engine/ranks/ranked_engine.h"

#include <algorithm>

#include "engine/ranks/rank_totals.h"
#include "engine/ranks/ranked_engine_impl.h"

namespace fathom::engine {
namespace {

constexpr auto kStepWait = std::chrono::milliseconds(20);  // of step(), for one of the ranks'

}  // namespace

RankedEngine::RankedEngine(const model::Model& model, const tokenizer::Tokenizer* tokenizer,
                           const EngineOptions& options, const RankOptions& ranks)
    : model_(model),
      tokenizer_(tokenizer),
      options_(options),
      rank_options_(ranks),
      shape_(rank_shape(std::max<i64>(1, model.config().n_routed_experts), ranks.ranks,
                        ranks.redundant_experts)),
      router_(ranks.ranks - ranks.prefill_ranks),
      prompt_router_(std::max(1, ranks.prefill_ranks)) {
  if (ranks.prefill_ranks > 0) {
    handover_.emplace(ranks.ranks, ranks.prefill_ranks,
                      PromptHandoverOptions{.deadlines = ranks.handover}, [this] { tell(); });
  }
  for (int r = 0; r < ranks.ranks; ++r) ranks_.push_back({ranks.make_context(), nullptr});
  thread_ = std::thread([this] { run(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return started_ == rank_options_.ranks || broken_; });
  if (!broken_) return;
  lock.unlock();
  thread_.join();
  std::rethrow_exception(broken_);
}

RankedEngine::~RankedEngine() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ++news_;
  }
  changed_.notify_all();
  thread_.join();
}

Result<Submission> RankedEngine::submit(GenerateRequest request) {
  auto submission = submit_to_rank(std::move(request));
  tell();
  return submission;
}

bool RankedEngine::step() {
  std::unique_lock lock(mutex_);
  const u64 seen = steps_;
  changed_.wait_for(lock, kStepWait, [&] { return steps_ != seen; });
  lock.unlock();
  // In the order in which a request goes: one that moves on meanwhile is seen all the same.
  if (handover_ && handover_->under_way() > 0) return true;
  const i64 waiting = num_waiting();
  return waiting + num_running() > 0;
}

void RankedEngine::wait(double timeout_s) {
  std::unique_lock lock(mutex_);
  const u64 seen = steps_;
  changed_.wait_for(lock, std::chrono::duration<double>(timeout_s), [&] { return steps_ != seen; });
}

void RankedEngine::fail_all(const std::string& message) {
  for (size_t r = 0; r < ranks_.size(); ++r) {
    if (handover_) handover_->fail_rank(static_cast<i64>(r), message);
    ranks_[r].engine->fail_all(message);
  }
  tell();
}

void RankedEngine::forget(const std::string& tenant) {
  if (handover_) handover_->forget(tenant);
  for (Rank& rank : ranks_) rank.engine->forget(tenant);
  tell();
}

EngineCounters RankedEngine::counters() const {
  EngineCounters total = ranks_.front().engine->counters();
  for (size_t r = 1; r < ranks_.size(); ++r) add_counters(ranks_[r].engine->counters(), total);
  const std::lock_guard lock(mutex_);
  total.experts = experts_;
  return total;
}

HandoverCounters RankedEngine::handover_counters() const {
  return handover_ ? handover_->counters() : HandoverCounters();
}

/// With those that are between two ranks, of which no engine knows.
i64 RankedEngine::num_waiting() const {
  const HandoverCounters between = handover_counters();
  return sum(&Engine::num_waiting) + between.rows + between.places;
}

double RankedEngine::stalled_s() const {
  {
    const std::lock_guard lock(mutex_);
    if (broken_) return seconds_since(broken_since_);
  }
  double most = 0.0;
  for (const Rank& rank : ranks_) most = std::max(most, rank.engine->stalled_s());
  return most;
}

i64 RankedEngine::sum(i64 (Engine::*number)() const) const {
  i64 total = 0;
  for (const Rank& rank : ranks_) total += (rank.engine.get()->*number)();
  return total;
}

/// Requests that each rank has.
std::vector<i64> RankedEngine::loads() const {
  std::vector<i64> loads;
  for (const Rank& rank : ranks_) {
    loads.push_back(rank.engine->num_running() + rank.engine->num_waiting());
    if (handover_) loads.back() += handover_->to_come(std::ssize(loads) - 1);
  }
  return loads;
}

/// Under the lock throughout: what a rank accepted before serving ended is what lose() ends.
Result<Submission> RankedEngine::submit_to_rank(GenerateRequest request) {
  const std::lock_guard lock(mutex_);
  if (broken_) return fail(ErrorCode::kIo, broken_message_);
  if (handover_) return submit_apart(std::move(request));
  const std::vector<i64> loads = this->loads();
  const i64 rank = router_.choose(request.tenant, request.cache_salt, request.prompt_ids, loads);
  const i64 least = std::ranges::min_element(loads) - loads.begin();
  Engine& chosen = *ranks_[static_cast<size_t>(rank)].engine;
  if (rank == least) return chosen.submit(std::move(request));
  auto submission = chosen.submit(request);
  if (!submission || submission->stream != nullptr) return submission;
  // Its cached text is there, but no place in its queue.
  return ranks_[static_cast<size_t>(least)].engine->submit(std::move(request));
}

Result<Submission> RankedEngine::submit_apart(GenerateRequest request) {
  const std::vector<i64> loads = this->loads();
  const auto prefill_ranks = static_cast<size_t>(handover_->prefill_ranks());
  const std::span all(loads);
  const i64 prefill = prompt_router_.choose(request.tenant, request.cache_salt, request.prompt_ids,
                                            all.first(prefill_ranks));
  const i64 decode = router_.choose(request.tenant, request.cache_salt, request.prompt_ids,
                                    all.subspan(prefill_ranks));
  return handover_->submit(std::move(request), prefill, decode + static_cast<i64>(prefill_ranks));
}

/// There is something new for the ranks.
void RankedEngine::tell() {
  {
    const std::lock_guard lock(mutex_);
    ++news_;
  }
  changed_.notify_all();
}

std::unique_ptr<Engine> make_ranked_engine(const model::Model& model,
                                           const tokenizer::Tokenizer* tokenizer,
                                           const EngineOptions& options, const RankOptions& ranks) {
  return std::make_unique<RankedEngine>(model, tokenizer, options, ranks);
}

}  // namespace fathom::engine
