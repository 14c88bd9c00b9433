#pragma once
// For this folder's tests: whole runs on several ranks, which are threads.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/parallel.h"
#include "comm/threads/run_ranks.h"
#include "train/run.h"
#include "train/test_support.h"

namespace fathom::train {

/// What rank 0 tells of a run.
struct Told {
  TrainResult result;
  std::vector<report::StepMetrics> steps;
  std::string messages;
};

class RanksTest : public ::testing::Test {
 protected:
  Told train(const RunConfig& config, int ranks, std::optional<u64> chaos = {}, i64 stop_after = -1,
             comm::ThreadsOptions options = {}) {
    Told told;
    options.job.deadline_s = 60;
    options.job.hang_directory = "";
    if (chaos) options.chaos = comm::Chaos{.seed = *chaos};
    comm::run_ranks(ranks, options, [&](comm::Comm& world) {
      const OwnThreads threads(1);
      Ctx ctx = backend::make_context();
      TrainEvents events;
      if (world.rank() == 0) {
        events.step = [&](const report::StepMetrics& m) { told.steps.push_back(m); };
        events.message = [&](log::Level, const std::string& m) { told.messages += m + "\n"; };
        events.stop_requested = [&] {
          return stop_after >= 0 && std::ssize(told.steps) >= stop_after;
        };
      }
      TrainResult result = fathom::train::train(
          ctx, {.config = config, .measure_peak = false, .world = &world}, events);
      if (world.rank() == 0) told.result = std::move(result);
    });
    return told;
  }
  static std::string bytes_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// Every file with numbers that two runs' checkpoints of a step have, byte by byte.
  static void expect_same_numbers(const std::filesystem::path& a, const std::filesystem::path& b) {
    for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
      EXPECT_TRUE(bytes_of(a / file) == bytes_of(b / file)) << file << " of " << a << " and " << b;
    }
  }
  static std::filesystem::path checkpoint(const RunConfig& config, i64 step) {
    return std::filesystem::path(config.run.out) / "checkpoints" / fmt::format("step-{:06}", step);
  }
  /// Integers equal, losses within `tolerance` of one another.
  static void expect_same_course(const Told& a, const Told& b, double tolerance) {
    ASSERT_EQ(a.steps.size(), b.steps.size());
    for (size_t i = 0; i < a.steps.size(); ++i) {
      const report::StepMetrics &x = a.steps[i], &y = b.steps[i];
      EXPECT_EQ(x.tokens, y.tokens);
      EXPECT_EQ(x.samples, y.samples);
      EXPECT_NEAR(x.loss, y.loss, tolerance * x.loss) << "step " << x.step;
      EXPECT_NEAR(x.grad_norm, y.grad_norm, 10.0 * tolerance * x.grad_norm) << "step " << x.step;
      EXPECT_NEAR(x.balance_loss, y.balance_loss, 10.0 * tolerance * x.balance_loss);
      ASSERT_EQ(x.load.size(), y.load.size());
    }
  }

  TinyRun run_;
};

/// In f32, where sums differ by their order alone.
inline RunConfig f32_config(const TinyRun& run, const std::string& out) {
  RunConfig config = run.config(out);
  config.recipe.precision.mode = TrainPrecision::kF32;
  config.optimizer.ema_decay = 0.5;
  config.train.steps = 4;
  config.train.micro_batch_sequences = 1;
  config.parallel.deadline_s = 60;
  return config;
}

}  // namespace fathom::train
