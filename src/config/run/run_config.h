#pragma once
// A whole run file of `fathom train`: sections of the file are the tables of RunConfig.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"
#include "config/field_list.h"
#include "config/run/data_config.h"
#include "config/run/distill_config.h"
#include "config/run/eval_config.h"
#include "config/run/grpo_config.h"
#include "config/run/optimizer_config.h"
#include "config/run/parallel_config.h"
#include "config/run/sample_config.h"
#include "config/run/schedule_config.h"
#include "config/run/sft_config.h"
#include "config/run/training_recipe.h"

namespace fathom {

enum class TrainStage { kPretrain, kSft, kDistill, kGrpo, kSample };
inline constexpr std::array<std::pair<TrainStage, std::string_view>, 5> kTrainStageNames = {{
    {TrainStage::kPretrain, "pretrain"},
    {TrainStage::kSft, "sft"},
    {TrainStage::kDistill, "distill"},
    {TrainStage::kGrpo, "grpo"},
    {TrainStage::kSample, "sample"},
}};

enum class StoredDType { kBf16, kF32, kFp8 };
inline constexpr std::array<std::pair<StoredDType, std::string_view>, 3> kStoredDTypeNames = {{
    {StoredDType::kBf16, "bf16"},
    {StoredDType::kF32, "f32"},
    {StoredDType::kFp8, "fp8"},
}};

/// [run]
struct RunSection {
  std::string out;
  i64 seed = 0;
  TrainStage stage = TrainStage::kPretrain;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

/// [model]
struct ModelSection {
  std::string config;
  std::string tokenizer;
  std::string init_from;
  double initializer_std = 0.006;  // DeepSeek-V3 §4.2
  StoredDType dtype = StoredDType::kBf16;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;

  /// Where config.json and the tokenizer are read: their own keys, else init_from.
  const std::string& config_path() const { return config.empty() ? init_from : config; }
  const std::string& tokenizer_path() const { return tokenizer.empty() ? init_from : tokenizer; }
};

/// [train]
struct TrainSection {
  i64 tokens = 0;
  i64 steps = 0;
  i64 batch_sequences = 16;
  i64 batch_start_sequences = 0;
  i64 batch_ramp_tokens = 0;
  i64 micro_batch_sequences = 0;
  i64 validation_every = 100;
  i64 validation_sequences = 0;
  i64 checkpoint_every = 500;
  i64 keep_last = 2;
  bool keep_best = true;
  i64 max_skipped_steps = 10;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

struct RunConfig {
  RunSection run;
  ModelSection model;
  DataConfig data;
  TrainSection train;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  ParallelConfig parallel;
  TrainingRecipe recipe;  // [precision] [balance] [mtp] [recompute]
  SftConfig sft;
  DistillConfig distill;
  GrpoConfig grpo;
  RewardConfig reward;
  SampleConfig sample;
  EvalConfig eval;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

}  // namespace fathom
