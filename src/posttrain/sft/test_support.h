#pragma once
// For this folder's tests: runs from the golden directory's model, tokenizer and conversations.
#include <filesystem>
#include <fstream>
#include <string>

#include "config/run/run_config.h"
#include "testing/golden_directory.h"
#include "testing/temp_dir.h"

namespace fathom::posttrain {

inline std::filesystem::path sft_golden() { return testing::golden_directory("sft"); }

/// Ten steps that take every conversation, in F32, as tools/golden/make_sft_golden.py takes them.
inline RunConfig golden_run(const std::filesystem::path& out) {
  RunConfig config;
  config.run.out = out.string();
  config.run.stage = TrainStage::kSft;
  config.model.init_from = sft_golden().string();
  config.model.dtype = StoredDType::kF32;
  config.data.train["chat"].paths = {(sft_golden() / "train.jsonl").string()};
  config.data.seq_len = 110;
  config.train.steps = 10;
  config.train.batch_sequences = 3;
  config.train.micro_batch_sequences = 3;
  config.schedule.shape = ScheduleShape::kConstant;
  config.schedule.warmup_steps = 0;
  config.schedule.peak_lr = 2e-3;
  config.recipe.precision.mode = TrainPrecision::kF32;
  return config;
}

}  // namespace fathom::posttrain
