// Whole runs of stage grpo: one policy in rollout and training, the same samples however a run is
// cut.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "posttrain/grpo/grpo.h"
#include "posttrain/grpo/test_support.h"
#include "train/checkpoint/run_directory.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;
using ::testing::Ge;
using ::testing::HasSubstr;

class GrpoRunTest : public StageRunTest {
 protected:
  RunConfig config(const std::string& out) const { return tiny_grpo(dir_, out); }
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
  EXPECT_THAT(messages_,
              HasSubstr("L = -sum_i sum_t 1/sum|o| c_it [min(r A_i, clip(r, 1-0.2, 1+0.28)"));
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

// What is sampled from at another temperature is what is trained.
TEST_F(GrpoRunTest, TheTemperatureIsTrainingsToo) {
  RunConfig warm = config("warm");
  warm.grpo.temperature = 0.5;
  run(warm);
  for (size_t i = 0; i < steps_.size(); ++i) EXPECT_LT(number(i, "drift/max"), 1e-5);
  RunConfig inner = config("inner");  // pi_old is computed apart
  inner.grpo.temperature = 0.5;
  inner.grpo.inner_epochs = 2;
  inner.train.checkpoint_every = 2;
  run(inner);
  for (size_t i = 0; i < steps_.size(); ++i) EXPECT_LT(number(i, "drift/max"), 1e-5);
  run(config("one"));
  EXPECT_NE(text("warm/samples.jsonl"), text("one/samples.jsonl"));
}

// DAPO: groups without an advantage make room for others, as far as the rounds reach.
TEST_F(GrpoRunTest, GroupsWithoutAnAdvantageAreRefilled) {
  RunConfig refilled = config("out");
  refilled.grpo.group_size = 4;  // a fair coin, and nothing for answers that are cut
  refilled.reward.overlong_buffer = 0;
  refilled.schedule.peak_lr = 1e-6;
  refilled.train.steps = 6;
  refilled.train.checkpoint_every = 3;
  run(refilled);
  double alike = 0.0;
  for (size_t i = 0; i < steps_.size(); ++i) alike += number(i, "reward_zero_std");
  EXPECT_GT(alike, 0.0) << "or there is nothing to refill";
  refilled.run.out = (dir_ / "refilled").string();
  refilled.grpo.refill = 20;
  run(refilled);
  double drawn = 0.0;
  for (size_t i = 0; i < steps_.size(); ++i) {
    EXPECT_EQ(number(i, "reward_zero_std"), 0.0) << "step " << i + 1;
    drawn += number(i, "rollout/groups");
  }
  EXPECT_GT(drawn, 12.0);
  const std::string samples = text("refilled/samples.jsonl");
  refilled.run.out = (dir_ / "cut").string();
  run(refilled, 3);
  run(refilled);
  EXPECT_EQ(text("cut/samples.jsonl"), samples);
}

// The distance is to the policy of some steps ago, also behind a stop.
TEST_F(GrpoRunTest, TheReferenceIsReplaced) {
  const auto with = [&](const std::string& out, i64 every) {
    RunConfig c = config(out);
    c.grpo.kl_weight = 0.01;
    c.grpo.reference_every = every;
    c.schedule.peak_lr = 1e-2;
    return c;
  };
  run(with("kept", 0));
  EXPECT_GT(number(2, "kl"), 1e-6);
  EXPECT_GT(number(3, "kl"), 1e-6);
  run(with("replaced", 2));
  EXPECT_NEAR(number(0, "kl"), 0.0, 1e-9);
  EXPECT_NEAR(number(2, "kl"), 0.0, 1e-9) << "the third step's reference is its policy";
  EXPECT_GT(number(3, "kl"), 1e-6);
  const std::string model = text("replaced/model/model.safetensors");
  run(with("cut", 2), 3);
  run(with("cut", 2));
  EXPECT_EQ(text("cut/model/model.safetensors"), model);
  // The checkpoints since a replacement are lost: the run goes on with the reference before it.
  run(with("lost", 2), 3);
  for (const char* step : {"2", "3"}) {
    fs::remove_all(dir_ / "lost/checkpoints" / (std::string("step-00000") + step));
  }
  EXPECT_EQ(run(with("lost", 2)).resumed_step, 1);
  EXPECT_EQ(text("lost/model/model.safetensors"), model);
  RunConfig odd = with("odd", 3);
  odd.train.checkpoint_every = 2;
  EXPECT_THAT(refusal(odd), HasSubstr("grpo.reference_every: 3: expected"));
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
  EXPECT_TRUE(std::isnan(number(3, "before/held/greedy")));
  held.run.out = (dir_ / "one").string();
  held.train.steps = 1;
  run(held);
  EXPECT_THAT(number(0, "before/held/greedy"), Ge(0.0)) << "one step has both";
  EXPECT_THAT(number(0, "held/greedy"), Ge(0.0));
  std::set<std::string> names;
  for (const auto& [name, value] : steps_[0].stage) EXPECT_TRUE(names.insert(name).second) << name;
}

TEST_F(GrpoRunTest, Refuses) {
  const auto with = [&](auto change) {
    RunConfig c = config("bad");
    change(c);
    return refusal(c);
  };
  EXPECT_THAT(with([](RunConfig& c) {
                c.train.steps = 0;
                c.train.tokens = 500;
              }),
              HasSubstr("train.tokens"));
  EXPECT_THAT(with([](RunConfig& c) {
                c.grpo.minibatches = 3;
                c.train.checkpoint_every = 2;
              }),
              HasSubstr("train.checkpoint_every: 2 is no multiple of the 3 steps"));
  EXPECT_THAT(with([](RunConfig& c) { c.grpo.max_new_tokens = 32; }),
              HasSubstr("leaves no room for a prompt"));
  EXPECT_THAT(with([](RunConfig& c) { c.data.eos_token = "<none>"; }),
              ::testing::AnyOf(HasSubstr("nothing would end an answer"), "accepted"));
  EXPECT_THAT(
      with([&](RunConfig& c) {
        c.reward.accuracy = 1.0;
        c.data.train["letters"].paths = {dir_.write("no.jsonl", "{\"prompt\": \"a\"}\n").string()};
      }),
      HasSubstr("no.jsonl:1: answer: missing or empty"));
  EXPECT_THAT(
      with([&](RunConfig& c) {
        c.data.train["letters"].paths = {
            dir_.write("long.jsonl", "{\"prompt\": \"" + std::string(40, 'a') + "\"}\n").string()};
      }),
      HasSubstr("long.jsonl:1: prompt: 41 tokens"));
}

}  // namespace
}  // namespace fathom::posttrain
