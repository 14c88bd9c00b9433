#include "cli/bench/machine_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/cpu_features.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "config/run/run_file.h"
#include "config/run/training_recipe.h"
#include "model/training/memory/training_memory.h"
#include "model/training/training_model.h"
#include "plan/machine/cluster.h"
#include "plan/training_flops.h"
#include "tensor/buffer.h"

namespace fathom::cli {
namespace {

constexpr i64 kSequences = 4, kSeqLen = 512;
constexpr int kPasses = 3;
constexpr double kInitStd = 0.006;
/// Of memory, so that the measurement does not push others out.
constexpr double kMemoryShare = 0.5;

/// Random tokens: which experts they choose is as uneven as random weights make it.
class RandomBatch {
 public:
  explicit RandomBatch(const ModelConfig& config)
      : width_(kSeqLen + 1 + config.num_nextn_predict_layers),
        depths_(1 + config.num_nextn_predict_layers) {
    const Philox random(1, 0);
    const auto draw = [&](i64 count) {
      std::vector<i32> ids;
      for (i64 i = 0; i < count; ++i) {
        ids.push_back(static_cast<i32>(random.at(static_cast<u64>(i))[0] %
                                       static_cast<u32>(config.vocab_size)));
      }
      return ids;
    };
    tokens_ = draw(kSequences * width_);
    targets_ = draw(depths_ * kSequences * kSeqLen);
    documents_.assign(tokens_.size(), 0);
    for (i64 s = 0; s < kSequences; ++s) samples_.push_back(s);
  }

  model::TrainingBatch view() const {
    return {.tokens = {tokens_.data(), {kSequences, width_}},
            .targets = {targets_.data(), {depths_, kSequences, kSeqLen}},
            .documents = {documents_.data(), {kSequences, width_}},
            .samples = {samples_.data(), {kSequences}}};
  }

 private:
  i64 width_, depths_;
  std::vector<i32> tokens_, targets_, documents_;
  std::vector<i64> samples_;
};

double best_pass_seconds(Ctx& ctx, const ModelConfig& config, const TrainingRecipe& recipe) {
  model::TrainingModel model(ctx, config, recipe, kSequences, kSeqLen);
  model.initialise(ctx, kInitStd, /*seed=*/1);
  const RandomBatch batch(config);
  const auto targets = static_cast<double>(kSequences * kSeqLen);
  double best = 0.0;
  for (int pass = 0; pass < kPasses; ++pass) {
    model::StepStats stats(config);
    model.begin_step(ctx);
    const auto start = Clock::now();
    model.forward_backward(ctx, batch.view(),
                           {.targets = targets, .sequences = kSequences, .mtp_weight = 0.3}, stats);
    const double seconds = seconds_since(start);
    best = pass == 0 ? seconds : std::min(best, seconds);
  }
  return best;
}

}  // namespace

double measure_training_flops_per_s(Ctx& ctx, const ModelConfig& config) {
  TrainingRecipe recipe;
  const auto room = static_cast<i64>(kMemoryShare * static_cast<double>(free_memory_bytes()));
  try {
    if (model::training_memory(ctx, config, recipe, kSequences, kSeqLen).total() > room) return 0.0;
    const double seconds = best_pass_seconds(ctx, config, recipe);
    const double flops = plan::training_flops(config, kSeqLen).per_token() *
                         static_cast<double>(kSequences * kSeqLen);
    return flops / seconds;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kOutOfMemory) {
      return 0.0;
    }
    throw;
  }
}

std::string machine_file(const engine::MachineSpeed& machine,
                         const std::vector<engine::Timing>& timings, double gemm_flops_per_s,
                         double training_flops_per_s, const std::string& model) {
  const plan::CpuSection usual;
  double decode_frac = usual.decode_read_frac;
  bool decoded = false;
  for (const engine::Timing& t : timings) {
    if (t.what != "decode" || t.tokens != 1 || decoded) continue;
    decode_frac = t.bytes / t.median_s / machine.read_bytes_per_s;
    decoded = true;
  }
  const bool trained = training_flops_per_s > 0.0;
  const std::string source = fmt::format(
      "fathom bench on {}, {} threads, {}: training {}, decoding {}", cpu_brand(), num_threads(),
      model, trained ? "measured" : "assumed", decoded ? "measured" : "assumed");
  return fmt::format(
      "# Made by fathom bench --machine-file.\ngpus = 1\n\n[cpu]\nthreads = {}\nread_gb_s = "
      "{:.1f}\n"
      "gemm_gflops = {:.1f}\ntraining_frac = {:.3f}\ndecode_read_frac = {:.3f}\nhost_memory_gb = "
      "{:.1f}\n"
      "source = {}\n",
      num_threads(), machine.read_bytes_per_s / 1e9, gemm_flops_per_s / 1e9,
      trained ? training_flops_per_s / gemm_flops_per_s : usual.training_frac, decode_frac,
      static_cast<double>(free_memory_bytes()) / 1e9, toml_string(source));
}

}  // namespace fathom::cli
