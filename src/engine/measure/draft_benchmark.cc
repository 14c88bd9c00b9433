#include "engine/measure/draft_benchmark.h"

#include <algorithm>
#include <memory>

#include "base/clock.h"
#include "engine/measure/random_ids.h"

namespace fathom::engine {
namespace {

/// Of a sequence: drafts that bring nothing are off by then.
i64 warmup_tokens(const DraftBenchmarkOptions& options) {
  return std::min<i64>(300, 20 * options.steps);
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
  return values[values.size() / 2];
}

/// One engine with its endless sequences.
class Decoder {
 public:
  Decoder(Ctx& ctx, const model::Model& model, const DraftBenchmarkOptions& options, i64 sequences,
          i64 drafts, bool adaptive)
      : sequences_(sequences), drafts_(drafts), adaptive_(adaptive) {
    const i64 steps = options.steps * (options.segments + 1) + warmup_tokens(options) + 2;
    const i64 context =
        std::min(options.context + steps * (1 + drafts), model.config().max_position_embeddings);
    EngineOptions engine{.context_tokens = context,
                         .cache_tokens = context * sequences,
                         .cache_dtype = options.cache_dtype,
                         .run = options.run,
                         .draft_tokens = drafts,
                         .adaptive_drafts = adaptive};
    engine.forced_acceptance = options.forced_acceptance;
    engine.limits.max_queue_s = 1e18;  // nothing is refused
    engine.limits.max_running = std::max(sequences, engine.limits.max_running);
    engine_ = make_engine(ctx, model, /*tokenizer=*/nullptr, engine);
    for (i64 i = 0; i < sequences; ++i) {
      GenerateRequest request;
      request.prompt_ids =
          random_ids(options.context, model.config().vocab_size, 100 + static_cast<u64>(i));
      request.max_tokens = context - options.context;
      request.sampling.temperature = 0.0;
      request.cache_use = CacheUse::kNone;
      streams_.push_back(value_or_throw(engine_->submit(std::move(request))).stream);
    }
    while (generated() < static_cast<u64>(sequences * warmup_tokens(options))) step();
    start_ = engine_->counters();
  }

  void segment(i64 steps) {
    const u64 before = generated();
    const Clock::time_point start = Clock::now();
    for (i64 i = 0; i < steps; ++i) step();
    const double seconds = seconds_since(start);
    rates_.push_back(static_cast<double>(generated() - before) / seconds);
    step_s_.push_back(seconds / static_cast<double>(steps));
  }

  DraftTiming timing() const {
    const EngineCounters end = engine_->counters();
    DraftTiming timing{.sequences = sequences_,
                       .drafts = drafts_,
                       .adaptive = adaptive_,
                       .tokens_per_s = median(rates_),
                       .step_s = median(step_s_)};
    const double steps =
        static_cast<double>((end.steps - start_.steps)) * static_cast<double>(sequences_);
    timing.drafted =
        static_cast<double>(end.drafts.draft_tokens - start_.drafts.draft_tokens) / steps;
    u64 reached = end.drafts.drafts - start_.drafts.drafts;
    for (i64 j = 0; j < drafts_ && reached > 0; ++j) {
      const auto at = static_cast<size_t>(j);
      const u64 kept =
          end.drafts.accepted_per_position[at] - start_.drafts.accepted_per_position[at];
      timing.acceptance.push_back(static_cast<double>(kept) / static_cast<double>(reached));
      reached = kept;
    }
    return timing;
  }

 private:
  u64 generated() const { return engine_->counters().generated_tokens; }
  void step() {
    engine_->step();
    for (const auto& stream : streams_) stream->try_read(news_);
  }

  i64 sequences_, drafts_;
  bool adaptive_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::shared_ptr<Stream>> streams_;
  Events news_;
  EngineCounters start_;
  std::vector<double> rates_, step_s_;
};

}  // namespace

std::vector<DraftTiming> run_draft_benchmark(Ctx& ctx, const model::Model& model,
                                             const DraftBenchmarkOptions& options) {
  if (model.num_mtp() == 0) {
    throw Error(ErrorCode::kInvalidInput,
                "drafts were asked for, the model has no MTP module (with --config: --mtp 1)");
  }
  std::vector<DraftTiming> timings;
  for (const i64 sequences : options.batches) {
    std::vector<Decoder> decoders;
    for (i64 drafts = 0; drafts <= options.max_drafts; ++drafts) {
      decoders.emplace_back(ctx, model, options, sequences, drafts, /*adaptive=*/false);
    }
    decoders.emplace_back(ctx, model, options, sequences, options.max_drafts, /*adaptive=*/true);
    for (i64 i = 0; i < options.segments; ++i) {
      for (Decoder& decoder : decoders) decoder.segment(options.steps);
    }
    const double plain = decoders.front().timing().tokens_per_s;
    for (const Decoder& decoder : decoders) {
      timings.push_back(decoder.timing());
      timings.back().speed_up = timings.back().tokens_per_s / plain;
    }
  }
  return timings;
}

}  // namespace fathom::engine
