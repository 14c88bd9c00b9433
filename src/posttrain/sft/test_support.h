#pragma once
// For this module's tests: runs from the golden directory's model, tokenizer and conversations.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "config/run/run_config.h"
#include "posttrain/load_stage.h"
#include "testing/golden_directory.h"
#include "testing/temp_dir.h"
#include "train/run.h"

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

/// Whole runs of a stage, in a directory of their own.
class StageRunTest : public ::testing::Test {
 protected:
  train::TrainResult run(const RunConfig& config, i64 stop_after = -1) {
    steps_.clear();
    LoadedStage loaded = load_stage(config);
    return train::train(
        ctx_, {.config = loaded.config, .measure_peak = false, .stage = loaded.stage.get()},
        {.message = [this](log::Level, const std::string& text) { messages_ += text + "\n"; },
         .step = [this](const report::StepMetrics& metrics) { steps_.push_back(metrics); },
         .stop_requested = [&] { return std::ssize(steps_) == stop_after; }});
  }
  /// What the stage says of a step of the last run; NaN: nothing of that name.
  double number(size_t step, std::string_view name) const {
    for (const auto& [key, value] : steps_.at(step).stage) {
      if (key == name) return value;
    }
    return NAN;
  }
  std::string bytes(const std::filesystem::path& path) const {
    std::ifstream file(path, std::ios::binary);
    EXPECT_TRUE(file.is_open()) << path;
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }
  /// A file of a run in dir_.
  std::string text(const std::string& path) const { return bytes(dir_ / path); }
  std::string refusal(const RunConfig& config) const {
    try {
      load_stage(config);
    } catch (const Error& error) {
      return error.message();
    }
    return "accepted";
  }

  testing::TempDir dir_;
  Ctx ctx_ = backend::make_context();
  std::string messages_;
  std::vector<report::StepMetrics> steps_;
};

}  // namespace fathom::posttrain
