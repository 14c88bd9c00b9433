// What drawing the next token costs over V3's vocabulary.
#include <benchmark/benchmark.h>

#include <cmath>

#include "engine/sampling/sampler.h"

namespace fathom::engine {
namespace {

enum Kind { kGreedy, kTemperature, kTopP, kTopK, kMinP };

SamplingParams params_of(Kind kind) {
  switch (kind) {
    case kGreedy:
      return {.temperature = 0.0};
    case kTopP:
      return {.temperature = 0.7, .top_p = 0.95};
    case kTopK:
      return {.temperature = 0.7, .top_k = 50};
    case kMinP:
      return {.temperature = 0.7, .min_p = 0.05};
    case kTemperature:
      break;
  }
  return {.temperature = 0.7};
}

/// Logits of a model: most far below the best, which one cannot know before.
void draw(benchmark::State& state) {
  constexpr i64 kVocab = 129280;
  const Philox rng(7, 7);
  std::vector<float> logits, scratch(kVocab);
  for (i64 id = 0; id < kVocab; ++id) {
    const double u = rng.uniform(static_cast<u64>(id));
    logits.push_back(static_cast<float>(-2.5 * std::log(u + 1e-9) - 8.0));
  }
  Sampler sampler(params_of(static_cast<Kind>(state.range(0))), kVocab, kVocab);
  for (auto _ : state) {
    std::copy(logits.begin(), logits.end(), scratch.begin());
    benchmark::DoNotOptimize(sampler.sample({scratch.data(), {kVocab}}));
  }
}
BENCHMARK(draw)->DenseRange(kGreedy, kMinP)->ArgName("kind")->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fathom::engine

BENCHMARK_MAIN();
