// Speed of a training step without its optimizer: begin_step (packing) and forward_backward.
//   tokens/s  of micro-batches of 8 x 512 tokens
// Shapes are those of configs/models, read from the repository's root. FATHOM_CPU_ISA,
// OMP_NUM_THREADS and --benchmark_filter=nano/bf16 choose what runs.
#include <benchmark/benchmark.h>

#include <string>

#include "backend/backend.h"
#include "base/error.h"
#include "base/rng.h"
#include "config/model/model_config.h"
#include "model/training/training_model.h"

namespace fathom::model {
namespace {

constexpr i64 kSequences = 8, kSeqLen = 512;

void train(benchmark::State& state, const ModelConfig& config, TrainPrecision mode) {
  TrainingRecipe recipe;
  recipe.precision.mode = mode;
  Ctx ctx = backend::make_context();
  TrainingModel model(ctx, config, recipe, kSequences, kSeqLen);
  model.initialise(ctx, 0.02, 1);
  const i64 heads = 1 + config.num_nextn_predict_layers, width = kSeqLen + heads;
  std::vector<i32> tokens(static_cast<size_t>(kSequences * width));
  const Philox rng(1, 1);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<i32>(rng.uniform(i) * static_cast<double>(config.vocab_size));
  }
  std::vector<i32> targets(static_cast<size_t>(heads * kSequences * kSeqLen), 7);
  std::vector<i64> samples(static_cast<size_t>(kSequences));
  const TrainingBatch batch{.tokens = {tokens.data(), {kSequences, width}},
                            .targets = {targets.data(), {heads, kSequences, kSeqLen}},
                            .samples = {samples.data(), {kSequences}}};
  const LossScale scale{
      .targets = kSequences * kSeqLen, .sequences = kSequences, .mtp_weight = 0.3};
  StepStats stats(config);
  const auto step = [&] {
    model.begin_step(ctx);
    model.forward_backward(ctx, batch, scale, stats);
  };
  for (int warm_up = 0; warm_up < 2; ++warm_up) step();  // scratch grows, pages appear
  for (auto _ : state) step();
  state.counters["tokens/s"] = benchmark::Counter(
      static_cast<double>(state.iterations() * kSequences * kSeqLen), benchmark::Counter::kIsRate);
}

void register_all() {
  const std::pair<const char*, TrainPrecision> modes[] = {{"bf16", TrainPrecision::kBf16},
                                                          {"fp8", TrainPrecision::kFp8},
                                                          {"f32", TrainPrecision::kF32}};
  for (const std::string name : {"nano", "small", "wide"}) {
    const ModelConfig config =
        value_or_throw(load_model_config("configs/models/" + name + ".json"));
    for (const auto& [mode_name, mode] : modes) {
      benchmark::RegisterBenchmark((name + "/" + mode_name).c_str(), train, config, mode)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace fathom::model

int main(int argc, char** argv) {  // NOLINT: a benchmark may end by an exception
  fathom::model::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
