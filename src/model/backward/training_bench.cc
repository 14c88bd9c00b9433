// Speed of a training step without its optimizer: begin_step (packing) and forward_backward.
//   tokens/s  of micro-batches of 8 x 512 tokens
// FATHOM_CPU_ISA, OMP_NUM_THREADS and --benchmark_filter=nano/bf16 choose what runs.
#include <benchmark/benchmark.h>

#include <string>

#include "base/rng.h"
#include "model/backward/training_model.h"

namespace fathom::model {
namespace {

constexpr i64 kSequences = 8, kSeqLen = 512;

/// configs/models/nano.json.
ModelConfig nano() {
  ModelConfig c;
  c.vocab_size = 4096;
  c.hidden_size = 128;
  c.intermediate_size = 384;
  c.moe_intermediate_size = 64;
  c.num_hidden_layers = 4;
  c.num_attention_heads = c.num_key_value_heads = 4;
  c.q_lora_rank = 64;
  c.kv_lora_rank = 32;
  c.qk_nope_head_dim = 32;
  c.qk_rope_head_dim = 16;
  c.v_head_dim = 32;
  c.n_routed_experts = 16;
  c.n_shared_experts = 1;
  c.num_experts_per_tok = 4;
  c.n_group = 4;
  c.topk_group = 2;
  c.norm_topk_prob = true;
  c.routed_scaling_factor = 2.5f;
  c.scoring_func = ScoringFunc::kSigmoid;
  c.topk_method = TopkMethod::kNoauxTc;
  c.first_k_dense_replace = 1;
  c.num_nextn_predict_layers = 1;
  c.max_position_embeddings = 4096;
  return c;
}

/// Twice as wide.
ModelConfig small() {
  ModelConfig c = nano();
  c.vocab_size = 8192;
  c.hidden_size = 256;
  c.intermediate_size = 768;
  c.moe_intermediate_size = 128;
  c.q_lora_rank = 96;
  c.kv_lora_rank = 64;
  return c;
}

/// Of hidden size 1024: 16 experts of width 512, heads as V3's.
ModelConfig wide() {
  ModelConfig c = small();
  c.hidden_size = 1024;
  c.intermediate_size = 2816;
  c.moe_intermediate_size = 512;
  c.num_attention_heads = c.num_key_value_heads = 8;
  c.q_lora_rank = 384;
  c.kv_lora_rank = 256;
  c.qk_nope_head_dim = 128;
  c.qk_rope_head_dim = 64;
  c.v_head_dim = 128;
  c.num_hidden_layers = 2;
  c.num_nextn_predict_layers = 0;
  return c;
}

void train(benchmark::State& state, const ModelConfig& config, TrainPrecision mode) {
  TrainingRecipe recipe;
  recipe.precision.mode = mode;
  Ctx ctx;
  TrainingModel model(config, recipe, kSequences, kSeqLen);
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
  const std::pair<const char*, ModelConfig> configs[] = {
      {"nano", nano()}, {"small", small()}, {"wide", wide()}};
  const std::pair<const char*, TrainPrecision> modes[] = {{"bf16", TrainPrecision::kBf16},
                                                          {"fp8", TrainPrecision::kFp8},
                                                          {"f32", TrainPrecision::kF32}};
  for (const auto& [name, config] : configs) {
    for (const auto& [mode_name, mode] : modes) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + mode_name).c_str(), train, config,
                                   mode)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace fathom::model

int main(int argc, char** argv) {
  fathom::model::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
