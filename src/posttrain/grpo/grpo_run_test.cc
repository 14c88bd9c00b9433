// Whole runs of stage grpo: one policy in rollout and training, the same samples however a run is cut.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "backend/backend.h"
#include "checkpoint/flat_weights.h"
#include "posttrain/grpo/grpo.h"
#include "posttrain/grpo/test_support.h"
#include "train/checkpoint/run_directory.h"
#include "train/run.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;
using ::testing::Ge;
using ::testing::HasSubstr;

class GrpoRunTest : public ::testing::Test {
 protected:
  train::TrainResult run(const RunConfig& config, i64 stop_after = -1) {
    steps_.clear();
    LoadedStage loaded = load_grpo(config);
    return train::train(
        ctx_, {.config = loaded.config, .measure_peak = false, .stage = loaded.stage.get()},
        {.message = [this](log::Level, const std::string& text) { messages_ += text + "\n"; },
         .step = [this](const report::StepMetrics& metrics) { steps_.push_back(metrics); },
         .stop_requested = [&] { return std::ssize(steps_) == stop_after; }});
  }
  double number(size_t step, std::string_view name) const {
    for (const auto& [key, value] : steps_.at(step).stage) {
      if (key == name) return value;
    }
    return NAN;
  }
  std::string text(const std::string& path) const {
    std::ifstream file(dir_ / path, std::ios::binary);
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }
  std::string refusal(const RunConfig& config) {
    try {
      load_grpo(config);
    } catch (const Error& error) {
      return error.message();
    }
    return "accepted";
  }
  RunConfig config(const std::string& out) const { return tiny_grpo(dir_, out); }

  testing::TempDir dir_;
  Ctx ctx_ = backend::make_context();
  std::string messages_;
  std::vector<report::StepMetrics> steps_;
};

// The engine and the training pass are one policy: log-probabilities of every sampled token agree.
TEST_F(GrpoRunTest, RolloutAndTrainingAreOnePolicy) {
  run(config("out"));
  ASSERT_EQ(steps_.size(), 4u);
  for (size_t i = 0; i < steps_.size(); ++i) {
    EXPECT_LT(number(i, "drift/max"), 1e-5) << "step " << i + 1;
    EXPECT_NEAR(number(i, "policy_loss"), 0.0, 1.0);
    EXPECT_GT(number(i, "length/mean"), 0.0);
    EXPECT_LE(number(i, "length/max"), 6.0);
  }
  EXPECT_THAT(messages_, HasSubstr("L = -sum_i sum_t 1/sum|o| c_it [min(r A_i, clip(r, 1-0.2, 1+0.28)"));
  EXPECT_THAT(messages_, HasSubstr("one step a rollout: r is 1, nothing to clip"));
  EXPECT_GT(steps_.back().grad_norm, 0.0);
}

TEST_F(GrpoRunTest, BFloat16DriftsAndTheRunEndsWhenItIsTooMuch) {
  RunConfig bf16 = config("out");
  bf16.recipe.precision.mode = TrainPrecision::kBf16;
  run(bf16);
  EXPECT_GT(number(0, "drift/mean"), 1e-6) << "rounding must show";
  EXPECT_LT(number(0, "drift/mean"), 0.05);
  RunConfig strict = config("strict");
  strict.recipe.precision.mode = TrainPrecision::kBf16;
  strict.grpo.max_drift = 1e-7;
  try {
    run(strict);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("no longer one policy"));
  }
  EXPECT_TRUE(train::newest_checkpoint(dir_ / "strict") == std::nullopt);
}

// A run that was stopped anywhere draws the samples that it would have drawn.
TEST_F(GrpoRunTest, SamplesOfAResumedRunAreIdentical) {
  for (const i64 minibatches : {1, 2}) {
    const auto with = [&](const std::string& out) {
      RunConfig c = config(fmt::format("{}{}", out, minibatches));
      c.grpo.minibatches = minibatches;
      c.train.checkpoint_every = minibatches;
      c.grpo.kl_weight = 0.01;
      return c;
    };
    run(with("whole"));
    const std::string samples = text(fmt::format("whole{}/samples.jsonl", minibatches));
    EXPECT_THAT(std::ranges::count(samples, '\n'), 32);
    for (const i64 stop : minibatches == 1 ? std::vector<i64>{2} : std::vector<i64>{1, 2}) {
      const std::string out = fmt::format("cut{}", stop);
      run(with(out), stop);
      EXPECT_EQ(run(with(out)).resumed_step, stop);
      const std::string path = fmt::format("{}{}", out, minibatches);
      EXPECT_EQ(text(path + "/samples.jsonl"), samples) << "stopped after " << stop;
      EXPECT_EQ(text(path + "/model/model.safetensors"),
                text(fmt::format("whole{}/model/model.safetensors", minibatches)));
    }
  }
}

// What was logged behind the last checkpoint of a killed run is taken back.
TEST_F(GrpoRunTest, SamplesOfLostStepsAreTakenBack) {
  run(config("out"));
  const std::string samples = text("out/samples.jsonl");
  fs::remove_all(dir_ / "out/model");
  for (const char* step : {"3", "4"}) {
    fs::remove_all(dir_ / "out/checkpoints" / (std::string("step-00000") + step));
  }
  std::ofstream(dir_ / "out/samples.jsonl", std::ios::app) << "{\"step\": 5, \"half";
  EXPECT_EQ(run(config("out")).resumed_step, 2);
  EXPECT_EQ(text("out/samples.jsonl"), samples);
}

TEST_F(GrpoRunTest, ClipsOnlyBehindTheFirstStepOfARollout) {
  RunConfig inner = config("out");
  inner.grpo.inner_epochs = 2;
  inner.grpo.clip_low = inner.grpo.clip_high = 1e-4;
  inner.train.checkpoint_every = 2;
  run(inner);
  EXPECT_EQ(number(0, "clip/low") + number(0, "clip/high"), 0.0);
  EXPECT_GT(number(1, "clip/low") + number(1, "clip/high"), 0.0);
}

TEST_F(GrpoRunTest, ParallelChangesNoSample) {
  run(config("all"));
  RunConfig few = config("few");
  few.grpo.parallel = 4;
  run(few);
  EXPECT_EQ(text("all/samples.jsonl"), text("few/samples.jsonl"));
}

TEST_F(GrpoRunTest, HeldOutPromptsBeforeAndAfter) {
  RunConfig held = config("out");
  held.data.validation["held"].paths = held.data.train["letters"].paths;
  held.grpo.held_out_samples = 2;
  run(held);
  EXPECT_THAT(number(0, "held/greedy"), Ge(0.0));
  EXPECT_TRUE(std::isnan(number(1, "held/greedy")));
  EXPECT_THAT(number(3, "held/pass_at_2"), Ge(number(3, "held/pass_at_1")));
}

TEST_F(GrpoRunTest, Refuses) {
  const auto with = [&](auto change) {
    RunConfig c = config("bad");
    change(c);
    return refusal(c);
  };
  EXPECT_THAT(with([](RunConfig& c) { c.train.steps = 0; c.train.tokens = 500; }),
              HasSubstr("train.tokens"));
  EXPECT_THAT(with([](RunConfig& c) { c.grpo.minibatches = 3; c.train.checkpoint_every = 2; }),
              HasSubstr("train.checkpoint_every: 2 is no multiple of the 3 steps"));
  EXPECT_THAT(with([](RunConfig& c) { c.grpo.max_new_tokens = 32; }),
              HasSubstr("leaves no room for a prompt"));
  EXPECT_THAT(with([](RunConfig& c) { c.data.eos_token = "<none>"; }),
              ::testing::AnyOf(HasSubstr("nothing would end an answer"), "accepted"));
  EXPECT_THAT(with([&](RunConfig& c) {
                c.reward.accuracy = 1.0;
                c.data.train["letters"].paths = {dir_.write("no.jsonl", "{\"prompt\": \"a\"}\n").string()};
              }),
              HasSubstr("no.jsonl:1: answer: missing or empty"));
  EXPECT_THAT(with([&](RunConfig& c) {
                c.data.train["letters"].paths = {
                    dir_.write("long.jsonl", "{\"prompt\": \"" + std::string(40, 'a') + "\"}\n").string()};
              }),
              HasSubstr("long.jsonl:1: prompt: 41 tokens"));
}

}  // namespace
}  // namespace fathom::posttrain
