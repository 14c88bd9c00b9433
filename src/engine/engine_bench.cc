// What the engine costs beside the model: seconds of a step that are not spent in passes over it,
// for N decoding sequences of the nano shape; greedy, sampled, masked, with drafts.
#include <benchmark/benchmark.h>

#include "engine/test_engine.h"

namespace fathom::engine {
namespace {

enum Kind { kGreedy, kSampled, kMasked, kDrafted };

ModelConfig nano(i64 mtp) {
  ModelConfig config = value_or_throw(
      load_model_config(std::string(FATHOM_SOURCE_DIR) + "/configs/models/nano.json"));
  config.num_nextn_predict_layers = mtp;
  return config;
}

/// Everything may come.
class OpenMask : public TokenMask {
 public:
  explicit OpenMask(i64 vocab) : words_(static_cast<size_t>((vocab + 31) / 32), ~0u) {}
  std::span<const u32> allowed() override { return words_; }
  void accept(i32) override {}
  void roll_back(i64) override {}
  bool complete() const override { return false; }

 private:
  std::vector<u32> words_;
};

void overhead(benchmark::State& state) {
  const i64 sequences = state.range(0);
  const auto kind = static_cast<Kind>(state.range(1));
  static TestModel plain(nano(0)), drafting(nano(1));
  TestModel& model = kind == kDrafted ? drafting : plain;
  const i64 vocab = model.model->config().vocab_size;
  constexpr i64 kContext = 1024, kPrompt = 16;
  EngineOptions options{.context_tokens = kContext,
                        .cache_tokens = kContext * sequences,
                        .draft_tokens = kind == kDrafted ? 1 : 0,
                        .adaptive_drafts = false};
  const auto engine = model.engine(options);
  std::vector<std::shared_ptr<Stream>> streams;
  for (i64 i = 0; i < sequences; ++i) {
    GenerateRequest request;
    request.prompt_ids.assign(kPrompt, static_cast<i32>(i + 1));
    request.max_tokens = kContext - kPrompt;
    request.sampling.temperature = kind == kSampled ? 1.0 : 0.0;
    if (kind == kMasked) {
      request.make_mask = [vocab] { return std::make_unique<OpenMask>(vocab); };
    }
    streams.push_back(value_or_throw(engine->submit(request)).stream);
  }
  Events news;
  const auto step = [&] {
    engine->step();
    for (const auto& stream : streams) stream->try_read(news);
  };
  for (int warm = 0; warm < 50; ++warm) step();
  const EngineCounters before = engine->counters();
  i64 steps = 0;
  for (auto _ : state) {
    step();
    ++steps;
  }
  const EngineCounters after = engine->counters();
  const double scale = 1e6 / static_cast<double>(steps);
  const double model_us = (after.model_s - before.model_s) * scale;
  state.counters["model_us"] = model_us;
  state.counters["overhead_us"] = (after.step_s - before.step_s) * scale - model_us;
  state.counters["bar_us"] = 30.0 + 2.0 * static_cast<double>(sequences);
}
BENCHMARK(overhead)
    ->ArgsProduct({{1, 16, 64}, {kGreedy, kSampled, kMasked, kDrafted}})
    ->ArgNames({"sequences", "kind"})
    ->Iterations(300)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fathom::engine

BENCHMARK_MAIN();
