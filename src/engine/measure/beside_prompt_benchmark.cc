#include "engine/measure/beside_prompt_benchmark.h"

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "base/clock.h"
#include "engine/measure/gap_watch.h"
#include "engine/measure/random_ids.h"

namespace fathom::engine {
namespace {

/// Endless streams on an engine of their own, and a prompt that comes to them.
class StreamsBesideAPrompt {
 public:
  StreamsBesideAPrompt(Ctx& ctx, const model::Model& model, const BesidePromptOptions& options,
                       i64 streams)
      : options_(options), streams_(streams), vocab_(model.config().vocab_size) {
    const i64 limit = model.config().max_position_embeddings;
    FATHOM_CHECK(options.prompt_tokens <= limit, "a prompt of ", options.prompt_tokens,
                 " tokens, the model takes ", limit);
    const i64 context = std::min(limit, std::max(options.prompt_tokens, i64{4096}) + 1);
    EngineOptions engine{.context_tokens = context,
                         .cache_tokens = (streams + 1) * context,
                         .cache_dtype = options.cache_dtype,
                         .run = options.run,
                         .draft_tokens = 0};
    engine.limits.max_queue_s = 1e18;  // nothing is refused
    engine.limits.max_running = std::max(streams + 1, engine.limits.max_running);
    engine_ = make_engine(ctx, model, /*tokenizer=*/nullptr, engine);
  }

  BesidePromptTiming run() {
    BesidePromptTiming timing{.streams = streams_, .prompt_tokens = options_.prompt_tokens};
    timing.prompt_alone_s = read_prompt(1);
    for (i64 i = 0; i < streams_; ++i)
      submit(options_.context, 1'000'000, 100 + static_cast<u64>(i));
    while (generated() < static_cast<u64>(2 * streams_)) step();
    const u64 before = generated();
    const Clock::time_point start = Clock::now();
    for (i64 i = 0; i < options_.steps; ++i) step();
    const double alone_s = seconds_since(start);
    timing.alone_tokens_per_s = static_cast<double>(generated() - before) / alone_s;
    timing.target_s = std::max(4.0 * alone_s / static_cast<double>(options_.steps), 0.1);

    const u64 beside = generated();
    const std::shared_ptr<Stream> watched = running_.front();
    running_.erase(running_.begin());  // it has a reader of its own now
    {
      const GapWatch watch(*watched);
      timing.prompt_beside_s = read_prompt(2);
      timing.longest_gap_s = watch.longest_s();
    }
    timing.beside_tokens_per_s = static_cast<double>(generated() - beside) / timing.prompt_beside_s;
    return timing;
  }

 private:
  std::shared_ptr<Stream> submit(i64 prompt, i64 max_tokens, u64 seed) {
    GenerateRequest request;
    request.prompt_ids = random_ids(prompt, vocab_, seed);
    request.max_tokens = max_tokens;
    request.sampling.temperature = 0.0;
    request.cache_use = CacheUse::kNone;
    auto stream = value_or_throw(engine_->submit(std::move(request))).stream;
    if (max_tokens > 1) running_.push_back(stream);
    return stream;
  }

  /// Seconds until a prompt's first token.
  double read_prompt(u64 seed) {
    const Clock::time_point start = Clock::now();
    const auto stream = submit(options_.prompt_tokens, 1, seed);
    while (!stream->done()) {
      step();
      stream->try_read(news_);
    }
    return seconds_since(start);
  }

  u64 generated() const { return engine_->counters().generated_tokens; }
  void step() {
    engine_->step();
    for (const auto& stream : running_) stream->try_read(news_);
  }

  const BesidePromptOptions& options_;
  i64 streams_, vocab_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::shared_ptr<Stream>> running_;
  Events news_;
};

}  // namespace

std::vector<BesidePromptTiming> run_beside_prompt_benchmark(Ctx& ctx, const model::Model& model,
                                                            const BesidePromptOptions& options) {
  std::vector<BesidePromptTiming> timings;
  for (const i64 streams : options.batches) {
    timings.push_back(StreamsBesideAPrompt(ctx, model, options, streams).run());
  }
  return timings;
}

}  // namespace fathom::engine
