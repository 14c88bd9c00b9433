#include "engine/benchmark.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "base/clock.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "engine/machine_limits.h"
#include "model/kv_cache.h"
#include "model/tolerances.h"
#include "ops/gemm/gemm_peak.h"
#include "plan/model_size.h"

namespace fathom::engine {
namespace {

using model::StepPart;

constexpr i64 kLargeBytes = i64{512} << 20;  // no cache holds them

std::vector<i32> random_ids(i64 count, i64 vocab_size, u64 stream) {
  const Philox rng(20241227, stream);
  std::vector<i32> ids;
  for (i64 i = 0; i < count; ++i) {
    ids.push_back(
        static_cast<i32>(rng.uniform(static_cast<u64>(i)) * static_cast<double>(vocab_size)));
  }
  return ids;
}

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

  /// Steps of all sequences together, each with its `context` tokens in its cache.
  Timing decode(std::vector<model::KvCache>& caches, i64 context) {
    const i64 batch = std::ssize(caches);
    Timing timing{.what = "decode", .tokens = batch, .context = context};
    std::vector<i32> ids = random_ids(batch * (options_.steps + 1), model_.config().vocab_size, 2);
    size_t next = 0;
    const auto step = [&] {
      std::vector<model::SequenceStep> steps;
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
    const auto chunk = static_cast<size_t>(options_.chunk_tokens);
    for (size_t begin = 0; begin < ids.size(); begin += chunk) {
      const model::SequenceStep step{
          .token_ids = ids.subspan(begin, std::min(chunk, ids.size() - begin)), .cache = &cache};
      run({&step, 1});
    }
  }

 private:
  void run(std::span<const model::SequenceStep> steps) {
    const i64 rows = model::Model::logits_rows(steps), vocab = model_.config().vocab_size;
    logits_.resize(static_cast<size_t>(rows * vocab));
    model::RunOptions run = options_.run;
    run.profile = &profile_;
    model_.forward(ctx_, steps, run, {logits_.data(), {rows, vocab}});
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

/// Logits of every token of `ids` [tokens, vocab], from a fresh cache.
std::vector<float> all_logits(Ctx& ctx, const model::Model& model, std::span<const i32> ids,
                              const model::RunOptions& run, ops::CacheDType cache_dtype,
                              size_t chunk) {
  const i64 vocab = model.config().vocab_size;
  model::KvCache cache(model.config(), cache_dtype, std::ssize(ids));
  std::vector<float> logits(ids.size() * static_cast<size_t>(vocab));
  for (size_t begin = 0; begin < ids.size(); begin += chunk) {
    const auto part = ids.subspan(begin, std::min(chunk, ids.size() - begin));
    const model::SequenceStep step{.token_ids = part, .cache = &cache, .all_logits = true};
    float* rows = logits.data() + begin * static_cast<size_t>(vocab);
    model.forward(ctx, {&step, 1}, run, {rows, {std::ssize(part), vocab}});
  }
  return logits;
}

/// Of the largest |want|; infinite where one of them is no number.
double relative_error(std::span<const float> got, std::span<const float> want) {
  double largest = 0.0, worst = 0.0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (!std::isfinite(error)) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, error);
    largest = std::max(largest, std::abs(static_cast<double>(want[i])));
  }
  return largest > 0.0 ? worst / largest : std::numeric_limits<double>::infinity();
}

/// The lower quartile of the tokens' errors.
double quartile_error(std::span<const float> got, std::span<const float> want, size_t tokens) {
  const size_t vocab = want.size() / tokens;
  std::vector<double> errors;
  for (size_t t = 0; t < tokens; ++t) {
    errors.push_back(relative_error(got.subspan(t * vocab, vocab), want.subspan(t * vocab, vocab)));
  }
  std::ranges::nth_element(errors, errors.begin() + std::ssize(errors) / 4);
  return errors[errors.size() / 4];
}

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

bool Verification::ok() const {
  return exact_error <= model::kF32LogitTol &&
         timed_error <= std::max(model::kBf16LogitTol, 2.0 * rounding_error) && threads_agree &&
         chunking_agrees;
}

Verification verify(const VerifiedContexts& contexts, const model::Model& model,
                    const BenchmarkOptions& options) {
  const auto& [ctx, scalar, other] = contexts;
  constexpr size_t kFewTokens = 3, kPromptTokens = 32;  // a prompt: kPrefillTokens of model/step.h
  const i64 limit = model.config().max_position_embeddings;
  const std::vector<i32> ids =
      random_ids(std::min(static_cast<i64>(kPromptTokens), limit), model.config().vocab_size, 3);
  const std::span<const i32> prompt(ids), few = prompt.first(std::min(kFewTokens, ids.size()));
  const model::RunOptions exact = {.activations = ops::Activations::kF32};
  model::RunOptions timed = options.run, one_form = options.run;
  one_form.mla_form = model::MlaForm::kExpanded;  // within one form chunking changes nothing
  const auto run = [&](Ctx& c, std::span<const i32> tokens, const model::RunOptions& how,
                       size_t chunk) {
    const bool f32 = how.activations == ops::Activations::kF32;
    return all_logits(c, model, tokens, how, f32 ? ops::CacheDType::kF32 : options.cache_dtype,
                      chunk);
  };

  Verification result;
  result.exact_error =
      relative_error(run(ctx, few, exact, few.size()), run(scalar, few, exact, few.size()));
  const std::vector<float> unrounded = run(other, prompt, exact, ids.size());
  for (const size_t chunk : {ids.size(), size_t{1}}) {  // the prompt's kernels, and decoding's
    const std::vector<float> want = run(other, prompt, timed, chunk);
    const double error = quartile_error(run(ctx, prompt, timed, chunk), want, ids.size());
    result.timed_error = std::max(result.timed_error, error);
    const double rounding = quartile_error(want, unrounded, ids.size());
    result.rounding_error = std::max(result.rounding_error, rounding);
  }
  const std::vector<float> at_once = run(ctx, few, one_form, few.size());
  result.chunking_agrees = run(ctx, few, one_form, 1) == at_once;
  const std::vector<float> whole = run(ctx, prompt, timed, ids.size());
  const int threads = num_threads();
  set_num_threads(1);
  result.threads_agree = run(ctx, few, one_form, few.size()) == at_once &&
                         run(ctx, prompt, timed, ids.size()) == whole;
  set_num_threads(threads);
  return result;
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
