#include "engine/measure/benchmark.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "base/clock.h"
#include "engine/measure/machine_limits.h"
#include "engine/measure/prefill.h"
#include "engine/measure/random_ids.h"
#include "model/attention/kv_cache.h"
#include "ops/gemm/gemm_peak.h"
#include "plan/model_size.h"

namespace fathom::engine {
namespace {

constexpr i64 kLargeBytes = i64{512} << 20;  // no cache holds them

/// Multiplications of attention proper over all layers for `tokens` new tokens, the last of which
/// sees `context` keys: scores and sums, in the form that multiplies least.
double attention_products(const ModelConfig& c, i64 tokens, i64 context) {
  const double pairs = static_cast<double>(tokens) *
                       (static_cast<double>(context) - 0.5 * static_cast<double>(tokens - 1));
  const i64 width = c.num_attention_heads * (c.qk_head_dim() + c.value_head_dim());
  return pairs * static_cast<double>(width * c.num_hidden_layers);
}

/// Runs passes on one model and keeps what a Timing needs.
class Runner {
 public:
  Runner(Ctx& ctx, const model::Model& model, const BenchmarkOptions& options)
      : ctx_(ctx), model_(model), options_(options), read_(model.read_bytes()) {}

  Timing prefill(i64 tokens) {
    auto cache = make_cache(tokens);
    const std::vector<i32> ids = random_ids(tokens, model_.config().vocab_size, 1);
    Timing timing{.what = "prefill", .tokens = tokens};
    const i64 chunks = (tokens + options_.chunk_tokens - 1) / options_.chunk_tokens;
    feed(cache, std::span(ids).first(static_cast<size_t>(std::min<i64>(tokens, 32))));  // warms up
    time(timing, options_.repeats, [&] {
      cache.truncate(0);
      feed(cache, ids);
    });
    timing.bytes = weight_bytes(options_.repeats, chunks);
    timing.operations =
        2.0 * (static_cast<double>(tokens) * active_parameters(model_.config()) + head_products() +
               attention_products(model_.config(), tokens, tokens));
    return timing;
  }

  /// Steps of one batch of all sequences, each with its `context` tokens in its cache.
  Timing decode(std::vector<model::KvCache>& caches, i64 context) {
    const i64 batch = std::ssize(caches);
    Timing timing{.what = "decode", .tokens = batch, .context = context};
    std::vector<i32> ids = random_ids(batch * (options_.steps + 1), model_.config().vocab_size, 2);
    size_t next = 0;
    const auto step = [&] {
      std::vector<model::SequenceStep> steps;
      steps.reserve(caches.size());
      for (model::KvCache& cache : caches) {
        steps.push_back({.token_ids = {&ids[next++], 1}, .cache = &cache});
      }
      run(steps);
    };
    step();  // warms up
    time(timing, options_.steps, step);
    const i64 keys = batch * (context + options_.steps / 2 + 2);
    const i64 row_bytes = model::KvCache::bytes_per_token(model_.config(), options_.cache_dtype);
    timing.bytes = weight_bytes(options_.steps, 1) +
                   static_cast<double>(keys) * static_cast<double>(row_bytes);
    timing.operations =
        2.0 * (static_cast<double>(batch) * (active_parameters(model_.config()) + head_products()) +
               attention_products(model_.config(), 1, keys));
    return timing;
  }

  model::KvCache make_cache(i64 tokens) const {
    return {model_.config(), options_.cache_dtype, tokens};
  }

  void feed(model::KvCache& cache, std::span<const i32> ids) {
    engine::prefill(ctx_, model_, cache, ids,
                    {.chunk_tokens = options_.chunk_tokens, .run = profiled()}, logits(1));
  }

 private:
  void run(std::span<const model::SequenceStep> steps) {
    model_.forward(ctx_, steps, profiled(), logits(model::Model::logits_rows(steps)));
  }

  model::RunOptions profiled() {
    model::RunOptions run = options_.run;
    run.profile = &profile_;
    return run;
  }

  View<float, 2> logits(i64 rows) {
    const i64 vocab = model_.config().vocab_size;
    logits_.resize(static_cast<size_t>(rows * vocab));
    return {logits_.data(), {rows, vocab}};
  }

  template <typename Pass>
  void time(Timing& timing, i64 passes, Pass pass) {
    profile_ = {};
    std::vector<double> seconds;
    for (i64 i = 0; i < passes; ++i) {
      const Clock::time_point start = Clock::now();
      pass();
      seconds.push_back(seconds_since(start));
    }
    const double count = static_cast<double>(passes);
    timing.mean_s = std::accumulate(seconds.begin(), seconds.end(), 0.0) / count;
    for (size_t part = 0; part < timing.part_s.size(); ++part) {
      timing.part_s[part] = profile_.seconds[part] / count;
    }
    std::ranges::sort(seconds);
    timing.best_s = seconds.front();
    timing.median_s = seconds[seconds.size() / 2];
  }

  /// Of one pass: what each of its steps reads, and the experts that were chosen.
  double weight_bytes(i64 passes, i64 steps_a_pass) const {
    i64 every_step = 0;
    for (const i64 part : read_.every_step) every_step += part;
    return static_cast<double>(every_step * steps_a_pass) +
           static_cast<double>(profile_.experts_read * read_.routed_expert) /
               static_cast<double>(passes);
  }

  double head_products() const {
    return static_cast<double>(model_.config().vocab_size * model_.config().hidden_size);
  }

  Ctx& ctx_;
  const model::Model& model_;
  const BenchmarkOptions& options_;
  model::ReadBytes read_;
  model::StepProfile profile_;
  std::vector<float> logits_;
};

}  // namespace

MachineSpeed measure_machine(Ctx& ctx) {
  return {.read_bytes_per_s = read_bandwidth_bytes_per_s(kLargeBytes),
          .peaks = ops::arithmetic_peaks(ctx),
          .bf16_gemm = ops::gemm_peak_flops_per_s(ctx)};
}

double active_parameters(const ModelConfig& config) {
  const plan::ModelSize size = plan::model_size(config);
  i64 active = 0;
  for (const ModelPart part :
       {ModelPart::kAttention, ModelPart::kDenseFfn, ModelPart::kRoutedExperts,
        ModelPart::kSharedExperts, ModelPart::kRouter}) {
    active += size.part(part).active;
  }
  return static_cast<double>(active);
}

std::vector<Timing> run_benchmark(Ctx& ctx, const model::Model& model,
                                  const BenchmarkOptions& options) {
  Runner runner(ctx, model, options);
  const i64 vocab = model.config().vocab_size;
  std::vector<Timing> timings;
  for (const i64 tokens : options.prefill_tokens) timings.push_back(runner.prefill(tokens));

  // One cache grows from context to context; the steps timed at the last one may have passed the
  // next.
  std::vector<i64> contexts = options.decode_contexts;
  std::ranges::sort(contexts);
  if (!contexts.empty()) {
    std::vector<model::KvCache> caches;
    caches.push_back(runner.make_cache(contexts.back() + options.steps + 1));
    for (const i64 context : contexts) {
      if (caches[0].length() > context) caches[0].truncate(context);
      runner.feed(caches[0], random_ids(context - caches[0].length(), vocab, 4));
      timings.push_back(runner.decode(caches, context));
    }
  }
  for (const i64 batch : options.batches) {
    std::vector<model::KvCache> caches;
    for (i64 i = 0; i < batch; ++i) {
      caches.push_back(runner.make_cache(options.batch_context + options.steps + 1));
      runner.feed(caches.back(),
                  random_ids(options.batch_context, vocab, 100 + static_cast<u64>(i)));
    }
    timings.push_back(runner.decode(caches, options.batch_context));
  }
  return timings;
}

}  // namespace fathom::engine
