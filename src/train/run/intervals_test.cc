// A run's validations, checkpoints and the best of them, at intervals that coincide and that do
// not, with interruptions in between and with a disk that refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <functional>
#include <map>
#include <thread>

#include "backend/backend.h"
#include "io/json.h"
#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/run_directory.h"
#include "train/test_support.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class RunIntervals : public ::testing::Test {
 protected:
  /// Trains until `stop_after` steps of this process, calling `on_step` behind each.
  TrainResult train(const RunConfig& config, i64 stop_after = -1,
                    const std::function<void(const report::StepMetrics&)>& on_step = {}) {
    i64 taken = 0;
    first_step_.reset();
    TrainEvents events;
    events.step = [&](const report::StepMetrics& metrics) {
      ++taken;
      if (!first_step_) first_step_ = metrics;
      if (on_step) on_step(metrics);
    };
    events.validation = [&](const report::ValidationMetrics& metrics) {
      validated_.push_back(metrics.step);
      bits_[metrics.step] = metrics.bits_per_byte;
    };
    events.stop_requested = [&] { return stop_after >= 0 && taken >= stop_after; };
    return fathom::train::train(ctx_, {.config = config, .measure_peak = false}, events);
  }
  static std::vector<i64> checkpoints(const RunConfig& config) {
    return RunDirectory(config.run.out).checkpoint_steps();
  }
  static CheckpointManifest manifest(const RunConfig& config, i64 step) {
    return value_or_throw(verify_checkpoint(RunDirectory(config.run.out).checkpoint(step)));
  }

  TinyRun run_;
  Ctx ctx_ = backend::make_context();
  std::vector<i64> validated_;
  std::map<i64, double> bits_;
  std::optional<report::StepMetrics> first_step_;
};

TEST_F(RunIntervals, ThatDoNotCoincide) {
  RunConfig config = run_.config("out");
  config.train.steps = 11;
  config.train.validation_every = 3;
  config.train.checkpoint_every = 4;
  train(config);
  EXPECT_THAT(validated_, ElementsAre(3, 6, 9, 11));
  EXPECT_THAT(checkpoints(config), ElementsAre(4, 8, 11));
  // Only a step that was validated can be the best, and of these only the last was saved.
  EXPECT_FALSE(manifest(config, 4).state.best.has_value());
  EXPECT_EQ(manifest(config, 4).state.validated_step, 3);
  EXPECT_EQ(manifest(config, 8).state.validated_step, 6);
  EXPECT_EQ(manifest(config, 11).state.best->step, 11);
}

TEST_F(RunIntervals, ThatCoincide) {
  RunConfig config = run_.config("out");
  config.train.steps = 8;
  config.train.validation_every = 2;
  config.train.checkpoint_every = 4;
  train(config);
  EXPECT_THAT(validated_, ElementsAre(2, 4, 6, 8));
  EXPECT_THAT(checkpoints(config), ElementsAre(4, 8));
  EXPECT_EQ(manifest(config, 4).state.validated_step, 4)
      << "a step is validated before it is saved";
  EXPECT_EQ(manifest(config, 4).state.best->step, 4);
  EXPECT_EQ(manifest(config, 4).state.best->bits_per_byte, bits_.at(4));
  EXPECT_EQ(manifest(config, 8).state.best->bits_per_byte, bits_.at(8));
}

TEST_F(RunIntervals, NoneButTheEnd) {
  RunConfig config = run_.config("out");
  config.train.steps = 3;
  config.train.validation_every = 0;
  config.train.checkpoint_every = 0;
  train(config);
  EXPECT_THAT(validated_, ElementsAre(3));
  EXPECT_THAT(checkpoints(config), ElementsAre(3));
}

// Wherever a run is cut, every due step is validated once, and the state of its last checkpoint is
// the one that an uninterrupted run ends with.
TEST_F(RunIntervals, InterruptedAnywhereEndsInTheSameState) {
  RunConfig whole = run_.config("whole");
  whole.train.steps = 7;
  whole.train.validation_every = 2;
  whole.train.checkpoint_every = 3;
  whole.train.batch_start_sequences = 2;
  whole.train.batch_ramp_tokens = 256;
  train(whole);
  const std::vector<i64> validated = validated_;
  EXPECT_THAT(validated, ElementsAre(2, 4, 6, 7));
  const TrainerState expected = manifest(whole, 7).state;
  for (const i64 stop : {2, 3, 5}) {
    RunConfig cut = whole;
    cut.run.out = run_.config("cut" + std::to_string(stop)).run.out;
    validated_.clear();
    EXPECT_EQ(train(cut, stop).step, stop);
    EXPECT_EQ(checkpoints(cut).back(), stop) << "what was stopped is saved";
    EXPECT_EQ(train(cut).resumed_step, stop);
    EXPECT_EQ(validated_, validated) << "stopped after " << stop;
    const TrainerState state = manifest(cut, 7).state;
    EXPECT_EQ(state.step, expected.step);
    EXPECT_EQ(state.updates, expected.updates);
    EXPECT_EQ(state.next_sample, expected.next_sample);
    EXPECT_EQ(state.tokens, expected.tokens);
    EXPECT_EQ(state.skipped_steps, expected.skipped_steps);
    EXPECT_EQ(state.skipped_in_row, expected.skipped_in_row);
    EXPECT_EQ(state.validated_step, expected.validated_step);
    EXPECT_EQ(state.micro_batch_sequences, expected.micro_batch_sequences);
  }
}

// A step that was skipped is counted by whoever goes on from its checkpoint.
TEST_F(RunIntervals, SkippedStepsAreRemembered) {
  RunConfig config = run_.config("out");
  train(config, 2);
  const fs::path checkpoint = RunDirectory(config.run.out).checkpoint(2);
  CheckpointManifest edited = manifest(config, 2);
  edited.state.skipped_steps = 5;
  edited.state.skipped_in_row = 1;
  std::ofstream(checkpoint / "trainer.json") << to_json(edited);
  const TrainResult result = train(config, 1);
  EXPECT_EQ(result.skipped_steps, 5);
  EXPECT_EQ(manifest(config, 3).state.skipped_steps, 5);
  EXPECT_EQ(manifest(config, 3).state.skipped_in_row, 0);
}

TEST_F(RunIntervals, SecondsGoOnWhereTheyStood) {
  const RunConfig config = run_.config("out");
  const auto slowly = [](const report::StepMetrics&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
  };
  const TrainResult first = train(config, 2, slowly);
  EXPECT_GE(first.seconds, 0.24);
  EXPECT_GE(manifest(config, 2).state.seconds, 0.24);
  const TrainResult second = train(config, 1);
  EXPECT_GE(first_step_->seconds, 0.24);
  EXPECT_GT(second.seconds, first_step_->seconds - 1e-9);
  EXPECT_GE(manifest(config, 3).state.seconds, first_step_->seconds);
}

/// While it lives, a file that grows beyond 30 kB is a full disk.
class FullDisk {
 public:
  FullDisk() {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
  }
  ~FullDisk() {
    set(false);
    ::signal(SIGXFSZ, SIG_DFL);
  }
  void set(bool full) const {
    const rlimit limit = {full ? rlim_t{30'000} : before_.rlim_max, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }

 private:
  rlimit before_ = {};
};

// A checkpoint that could not be written is not the best one: the best that is there stays. Steps 2
// and 4 are validated, 4 is better and finds the disk full, 5 is saved and pushes out what is not
// the best.
TEST_F(RunIntervals, TheBestIsPutBackAfterAFailedWrite) {
  RunConfig config = run_.config("out");
  config.train.validation_every = 2;
  config.train.checkpoint_every = 1;
  config.train.keep_last = 1;
  const FullDisk disk;
  train(config, 5, [&](const report::StepMetrics& metrics) {
    disk.set(metrics.step != 2 && metrics.step != 5);
  });
  EXPECT_LT(bits_.at(4), bits_.at(2)) << "else 4 would not have been the best";
  EXPECT_THAT(checkpoints(config), ElementsAre(2, 5));
  EXPECT_EQ(manifest(config, 5).state.best->step, 2);
  EXPECT_EQ(manifest(config, 5).state.best->bits_per_byte, bits_.at(2));
}

TEST_F(RunIntervals, KeepLastAndBestTogether) {
  RunConfig config = run_.config("out");
  config.train.validation_every = 2;
  config.train.checkpoint_every = 1;
  config.train.keep_last = 2;
  train(config, 3);
  EXPECT_THAT(checkpoints(config), ElementsAre(2, 3));
  train(config, 2);  // step 4 is the better one
  EXPECT_THAT(checkpoints(config), ElementsAre(4, 5));
  config.train.validation_every = 0;
  train(config, 2);
  EXPECT_THAT(checkpoints(config), ElementsAre(4, 6, 7)) << "two newest and the best";
  config.train.keep_best = false;
  train(config, 1);
  EXPECT_THAT(checkpoints(config), ElementsAre(7, 8));
}

TEST(CheckpointManifest, EveryNumberComesBack) {
  CheckpointManifest manifest;
  manifest.state = {.step = 11,
                    .updates = 12,
                    .next_sample = 13,
                    .tokens = 14,
                    .skipped_steps = 15,
                    .skipped_in_row = 16,
                    .validated_step = 17,
                    .micro_batch_sequences = 18,
                    .seconds = 19.5,
                    .best = BestStep{20, 21.5}};
  manifest.run_config = "a = 1\n";
  manifest.data_fingerprint = "22";
  manifest.files = {{"x", {23, "24"}}, {"y", {25, "26"}}};
  const std::string text = to_json(manifest);
  EXPECT_EQ(text, R"({
  "format": 1,
  "step": 11,
  "updates": 12,
  "next_sample": 13,
  "tokens": 14,
  "skipped_steps": 15,
  "skipped_in_row": 16,
  "validated_step": 17,
  "micro_batch_sequences": 18,
  "seconds": 19.5,
  "best": {
    "step": 20,
    "bits_per_byte": 21.5
  },
  "data_fingerprint": "22",
  "run_config": "a = 1\n",
  "files": {
    "x": {
      "bytes": 23,
      "xxh3": "24"
    },
    "y": {
      "bytes": 25,
      "xxh3": "26"
    }
  }
}
)");
  const auto read = parse_manifest(value_or_throw(io::parse_json(text, "t")), "t");
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(to_json(*read), text);
  EXPECT_EQ(read->files, manifest.files);
}

}  // namespace
}  // namespace fathom::train
