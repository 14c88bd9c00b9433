#pragma once
// For this module's tests: a run of a few steps on a few kilobytes of text.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/rng.h"
#include "config/run/run_config.h"
#include "testing/temp_dir.h"
#include "tokenizer/train/train_tokenizer.h"
#include "train/run.h"

namespace fathom::train {

inline constexpr const char* kTinyModel = R"({
  "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
  "vocab_size": 288, "hidden_size": 32, "intermediate_size": 48, "moe_intermediate_size": 16,
  "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
  "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8,
  "v_head_dim": 8, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2,
  "n_group": 1, "topk_group": 1, "norm_topk_prob": true, "routed_scaling_factor": 2.5,
  "scoring_func": "sigmoid", "topk_method": "noaux_tc", "first_k_dense_replace": 1,
  "moe_layer_freq": 1, "num_nextn_predict_layers": 1, "hidden_act": "silu",
  "max_position_embeddings": 128, "rms_norm_eps": 1e-06, "rope_theta": 10000.0,
  "rope_interleave": true, "tie_word_embeddings": false, "attention_bias": false,
  "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "bfloat16"
})";

/// Words of a few sentences in random order: something to learn.
inline std::string tiny_text(u64 seed, int words) {
  const std::vector<std::string> vocabulary = {"the", "sea",  "is",   "deep", "and",  "cold",
                                               "a",   "ship", "goes", "over", "blue", "water"};
  const Philox rng(seed, 1);
  std::string text;
  for (int i = 0; i < words; ++i) {
    const auto pick = static_cast<size_t>(rng.uniform(static_cast<u64>(i)) *
                                          static_cast<double>(vocabulary.size()));
    text += vocabulary[pick] + (i % 9 == 8 ? ".\n" : " ");
  }
  return text;
}

/// The files of a run in a directory of their own, and its run file.
class TinyRun {
 public:
  TinyRun() {
    dir_.write("config.json", kTinyModel);
    dir_.write("a.txt", tiny_text(1, 900));
    dir_.write("b.txt", tiny_text(2, 600));
    dir_.write("held.txt", tiny_text(3, 200));
    tokenizer::byte_tokenizer().save((dir_ / "tokenizer").string());
  }

  /// 12 steps of 4 sequences of 32 tokens in two micro-batches; a checkpoint every 4 steps, a
  /// validation every 6.
  RunConfig config(const std::string& out) const {
    RunConfig config;
    config.run.out = (dir_ / out).string();
    config.run.seed = 7;
    config.model.config = (dir_ / "config.json").string();
    config.model.tokenizer = (dir_ / "tokenizer").string();
    config.model.initializer_std = 0.05;
    config.data.train["a"].paths = {(dir_ / "a.txt").string()};
    config.data.train["b"].paths = {(dir_ / "b.txt").string()};
    config.data.validation["held"].paths = {(dir_ / "held.txt").string()};
    config.data.cache_dir = (dir_ / "cache").string();
    config.data.seq_len = 32;
    config.train.steps = 12;
    config.train.batch_sequences = 4;
    config.train.micro_batch_sequences = 2;
    config.train.checkpoint_every = 4;
    config.train.validation_every = 6;
    config.train.keep_last = 100;
    config.schedule.shape = ScheduleShape::kConstant;
    config.schedule.warmup_steps = 2;
    config.schedule.peak_lr = 3e-3;
    return config;
  }

  const testing::TempDir& dir() const { return dir_; }

 private:
  testing::TempDir dir_;
};

}  // namespace fathom::train
