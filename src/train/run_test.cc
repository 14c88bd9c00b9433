#include "train/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "backend/backend.h"
#include "base/parallel.h"
#include "io/json.h"
#include "io/mapped_file.h"
#include "model/model.h"
#include "train/test_support.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class RunTest : public ::testing::Test {
 protected:
  TrainResult train(const RunConfig& config, i64 stop_after = -1, TrainRequest request = {}) {
    request.config = config;
    request.measure_peak = false;
    messages_.clear();
    steps_.clear();
    validations_.clear();
    TrainEvents events;
    events.message = [this](log::Level, const std::string& text) { messages_ += text + "\n"; };
    events.step = [this](const report::StepMetrics& metrics) { steps_.push_back(metrics); };
    events.validation = [this](const report::ValidationMetrics& m) { validations_.push_back(m); };
    events.stop_requested = [this, stop_after] {
      return stop_after >= 0 && std::ssize(steps_) >= stop_after;
    };
    return fathom::train::train(ctx_, request, events);
  }
  std::string error_of(const RunConfig& config, TrainRequest request = {}) {
    try {
      train(config, -1, std::move(request));
    } catch (const Error& error) {
      return error.message();
    }
    return "";
  }
  std::string read(const fs::path& path) const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// metrics.jsonl without what depends on the clock and on where the run lies.
  std::vector<std::string> metrics_of(const RunConfig& config) const {
    std::vector<std::string> lines;
    std::istringstream text(read(fs::path(config.run.out) / "metrics.jsonl"));
    for (std::string line; std::getline(text, line);) {
      io::JsonValue json = value_or_throw(io::parse_json(line, "metrics.jsonl"));
      for (const char* key :
           {"tokens_per_s", "gemm_peak_frac", "seconds", "config", "title", "started"}) {
        json.as_object().erase(key);
      }
      lines.push_back(io::write_json(json));
    }
    return lines;
  }
  void expect_same_run(const RunConfig& a, const RunConfig& b) const {
    for (const char* name : {"model/model.safetensors", "model/config.json",
                             "checkpoints/step-000012/optimizer.safetensors"}) {
      EXPECT_EQ(read(fs::path(a.run.out) / name), read(fs::path(b.run.out) / name)) << name;
      EXPECT_FALSE(read(fs::path(a.run.out) / name).empty()) << name;
    }
    EXPECT_EQ(metrics_of(a), metrics_of(b));
  }

  TinyRun run_;
  Ctx ctx_ = backend::make_context();
  std::string messages_;
  std::vector<report::StepMetrics> steps_;
  std::vector<report::ValidationMetrics> validations_;
};

TEST_F(RunTest, LearnsAndLeavesAModelThatRuns) {
  RunConfig config = run_.config("out");
  config.train.steps = 60;
  const TrainResult result = train(config);
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.step, 60);
  EXPECT_EQ(result.tokens, 60 * 4 * 32);
  ASSERT_EQ(steps_.size(), 60u);
  EXPECT_NEAR(steps_.front().loss, std::log(288.0), 0.3) << "an untrained model knows nothing";
  EXPECT_LT(steps_.back().loss, steps_.front().loss - 1.5);
  EXPECT_EQ(validations_.size(), 10u);
  EXPECT_LT(validations_.back().bits_per_byte, validations_.front().bits_per_byte);
  EXPECT_EQ(validations_.back().mtp_loss.size(), 1u);
  EXPECT_EQ(steps_.back().load.size(), 2u);  // an MoE layer and the MTP module
  EXPECT_GT(steps_.back().load[0].bias_max, 0.0);
  const auto loaded = model::Model::load(ctx_, result.model.string());
  EXPECT_EQ(loaded->config().vocab_size, 288);
  EXPECT_EQ(loaded->config().eos_token_id, std::vector<i64>{1});
}

// kill -9 is in tests/cli/train.clitest; here the states that it can leave.
TEST_F(RunTest, ResumesBitForBitWithAnyNumberOfThreads) {
  const RunConfig whole = run_.config("whole");
  train(whole);
  const int threads = num_threads();
  for (const i64 stop : {1, 5, 6, 11}) {
    RunConfig cut = run_.config("cut" + std::to_string(stop));
    cut.optimizer = whole.optimizer;
    set_num_threads(stop % 2 == 1 ? 3 : 1);
    const TrainResult first = train(cut, stop);
    EXPECT_FALSE(first.finished);
    EXPECT_EQ(first.step, stop);
    set_num_threads(stop % 2 == 1 ? 1 : 2);
    const TrainResult second = train(cut);
    EXPECT_EQ(second.resumed_step, stop);
    EXPECT_THAT(messages_, HasSubstr("resuming from"));
    fs::remove_all(fs::path(cut.run.out) / "checkpoints" / ("step-00000" + std::to_string(stop)));
    expect_same_run(whole, cut);
  }
  set_num_threads(threads);
}

TEST_F(RunTest, ResumesEveryKindOfState) {
  RunConfig whole = run_.config("whole");
  whole.optimizer.ema_decay = 0.9;
  whole.optimizer.bf16_moments = true;
  whole.model.dtype = StoredDType::kF32;
  whole.recipe.balance.bias_rule = BiasRule::kProportional;
  whole.recipe.balance.bias_recenter = true;
  whole.recipe.balance.batch_aux_loss_weight = 0.01;
  whole.train.batch_start_sequences = 2;
  whole.train.batch_ramp_tokens = 600;
  RunConfig cut = whole;
  cut.run.out = run_.config("cut").run.out;
  train(whole);
  train(cut, 7);
  train(cut);
  expect_same_run(whole, cut);
  const std::string average = "model-ema/model.safetensors";
  EXPECT_EQ(read(run_.dir() / "whole" / average), read(run_.dir() / "cut" / average));
  EXPECT_NE(read(run_.dir() / "whole" / average),
            read(run_.dir() / "whole" / "model/model.safetensors"));
}

TEST_F(RunTest, ResumesInEveryPrecision) {
  for (const TrainPrecision mode : {TrainPrecision::kF32, TrainPrecision::kFp8}) {
    const std::string name(kTrainPrecisionNames[static_cast<size_t>(mode)].second);
    RunConfig whole = run_.config("whole-" + name);
    whole.recipe.precision.mode = mode;
    whole.model.dtype = mode == TrainPrecision::kFp8 ? StoredDType::kFp8 : StoredDType::kF32;
    RunConfig cut = whole;
    cut.run.out = run_.config("cut-" + name).run.out;
    train(whole);
    train(cut, 5);
    train(cut);
    expect_same_run(whole, cut);
    EXPECT_LT(validations_.back().loss, std::log(288.0)) << name;
  }
}

TEST_F(RunTest, GoesOnFromAnOlderCheckpoint) {
  const RunConfig config = run_.config("out");
  train(config);
  const std::string before = read(run_.dir() / "out/model/model.safetensors");
  const std::vector<std::string> metrics = metrics_of(config);
  const fs::path damaged = run_.dir() / "out/checkpoints/step-000012";
  fs::resize_file(damaged / "model.safetensors", 99);
  const std::string text = error_of(config);
  EXPECT_THAT(text, AllOf(HasSubstr("model.safetensors: truncated: 99 bytes"),
                          HasSubstr("step-000008 is whole: --resume-from")));
  const TrainResult result =
      train(config, -1, {.resume_from = run_.dir() / "out/checkpoints/step-000008"});
  EXPECT_EQ(result.resumed_step, 8);
  EXPECT_EQ(steps_.size(), 4u);
  EXPECT_EQ(read(run_.dir() / "out/model/model.safetensors"), before);
  EXPECT_EQ(metrics_of(config), metrics);
  EXPECT_TRUE(fs::exists(damaged.string() + ".aside"));
  EXPECT_THAT(error_of(config, {.resume_from = run_.dir() / "out/model"}),
              HasSubstr("is no checkpoint of the run"));
}

TEST_F(RunTest, AFinishedRunIsLeftAlone) {
  const RunConfig config = run_.config("out");
  train(config);
  const auto written = fs::last_write_time(run_.dir() / "out/model/model.safetensors");
  EXPECT_TRUE(train(config).finished);
  EXPECT_TRUE(steps_.empty());
  EXPECT_EQ(fs::last_write_time(run_.dir() / "out/model/model.safetensors"), written);
  EXPECT_THAT(error_of(config, {.fresh = true}), HasSubstr("holds a run of 12 steps already"));
}

TEST_F(RunTest, MadeLonger) {
  RunConfig config = run_.config("out"), whole = run_.config("whole");
  for (RunConfig* c : {&config, &whole}) c->recipe.mtp.late_loss_weight = 0.3;
  whole.train.steps = 16;
  train(config);
  config.train.steps = 16;
  EXPECT_TRUE(train(config).finished);
  EXPECT_THAT(messages_, HasSubstr("changed: train.steps: 12, now 16"));
  train(whole);
  EXPECT_EQ(read(run_.dir() / "out/model/model.safetensors"),
            read(run_.dir() / "whole/model/model.safetensors"));
}

TEST_F(RunTest, ChangedSettingsTextAndModelAreRefused) {
  const RunConfig config = run_.config("out");
  train(config, 3);
  RunConfig changed = config;
  changed.optimizer.weight_decay = 0.0;
  EXPECT_THAT(error_of(changed), HasSubstr("optimizer.weight_decay: 0.1, now 0"));
  changed = config;
  changed.data.train.erase("b");
  EXPECT_THAT(error_of(changed), HasSubstr("the training text is not the text"));
  std::string model = kTinyModel;
  model.replace(model.find("\"num_experts_per_tok\": 2"), 24, "\"num_experts_per_tok\": 1");
  changed = config;
  changed.model.config = run_.dir().write("other.json", model).string();
  EXPECT_THAT(error_of(changed), AllOf(HasSubstr("- \"num_experts_per_tok\": 2"),
                                       HasSubstr("+ \"num_experts_per_tok\": 1")));
}

TEST_F(RunTest, KeepsTheLastAndTheBest) {
  RunConfig config = run_.config("out");
  config.train.keep_last = 1;
  config.train.checkpoint_every = 2;
  config.train.validation_every = 2;
  config.schedule.peak_lr = 0.3;  // worse from some step on
  config.optimizer.clip_norm = 0.0;
  train(config);
  const auto best =
      std::ranges::min_element(validations_, {}, &report::ValidationMetrics::bits_per_byte);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(run_.dir() / "out/checkpoints")) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  const std::string kept =
      "step-0000" + std::string(best->step < 10 ? "0" : "") + std::to_string(best->step);
  if (best->step == 12) {
    EXPECT_THAT(names, ElementsAre("step-000012"));
  } else {
    EXPECT_THAT(names, ElementsAre(kept, "step-000012"));
  }
}

// A learning rate that no float survives: the weights overflow, every later loss is not finite.
TEST_F(RunTest, StepsThatAreNotFiniteAreSkippedAndStopTheRun) {
  RunConfig config = run_.config("out");
  train(config, 4);
  const std::string good = read(run_.dir() / "out/checkpoints/step-000004/trainer.json");
  // No file can change the rate of a run, so the run begins anew with it.
  config = run_.config("burst");
  config.schedule.warmup_steps = 0;
  config.schedule.peak_lr = 1e38;
  config.train.max_skipped_steps = 3;
  config.train.checkpoint_every = 1;
  const std::string text = error_of(config);
  EXPECT_THAT(text, AllOf(HasSubstr("3 steps in a row"), HasSubstr("samples"), HasSubstr("of a")));
  ASSERT_GE(steps_.size(), 3u);
  EXPECT_FALSE(steps_.back().skipped.empty());
  EXPECT_THAT(messages_, HasSubstr("step 2 skipped, 1 of at most 3 in a row"));
  EXPECT_THAT(messages_, HasSubstr("not saved"));
  for (const auto& entry : fs::directory_iterator(run_.dir() / "burst/checkpoints")) {
    ADD_FAILURE() << "a checkpoint of weights that are not finite: " << entry.path();
  }
}

/// Gives every number of the heads of a BF16 model the largest finite value.
void make_heads_largest(const fs::path& path) {
  std::string bytes = io::read_text(path, i64{1} << 24).value();
  u64 header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  const auto header = io::parse_json(bytes.substr(8, header_bytes), "header").value();
  for (const auto& [name, tensor] : header.as_object()) {
    if (!name.ends_with("head.weight")) continue;
    const io::JsonArray& offsets = tensor.find("data_offsets")->as_array();
    for (i64 i = offsets[0].as_integer(); i < offsets[1].as_integer(); ++i) {
      bytes[8 + header_bytes + static_cast<size_t>(i)] = '\x7f';  // 0x7F7F
    }
  }
  std::ofstream(path, std::ios::binary) << bytes;
}

// Weights that are finite, and a loss that is not: the step is skipped, and so is its checkpoint.
TEST_F(RunTest, AStepThatWasSkippedHasNoCheckpoint) {
  RunConfig config = run_.config("good");
  config.train.steps = 2;
  train(config);
  make_heads_largest(run_.dir() / "good/model/model.safetensors");
  messages_.clear();
  config = run_.config("out");
  config.model.init_from = (run_.dir() / "good/model").string();
  config.model.config.clear();
  config.train.max_skipped_steps = 3;
  config.train.checkpoint_every = 1;
  EXPECT_THAT(error_of(config), HasSubstr("3 steps in a row"));
  EXPECT_THAT(messages_, AllOf(HasSubstr("no checkpoint at step 1, which was skipped"),
                               HasSubstr("no checkpoint at step 2, which was skipped"),
                               Not(HasSubstr("weights of step"))));
  EXPECT_TRUE(fs::is_empty(run_.dir() / "out/checkpoints"));
}

TEST_F(RunTest, ADiskThatIsFullForAWhile) {
  RunConfig config = run_.config("out");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  TrainEvents events;
  std::string messages;
  events.message = [&](log::Level, const std::string& text) { messages += text + "\n"; };
  events.step = [&](const report::StepMetrics& metrics) {  // full for the checkpoint of step 8
    const rlimit limit = {metrics.step == 8 ? rlim_t{30'000} : before.rlim_max, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  };
  const TrainResult result =
      fathom::train::train(ctx_, {.config = config, .measure_peak = false}, events);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, SIG_DFL);
  EXPECT_TRUE(result.finished);
  EXPECT_THAT(messages, AllOf(HasSubstr("the checkpoint of step 8 could not be written"),
                              HasSubstr("step-000004 is untouched; training goes on")));
  EXPECT_FALSE(fs::exists(run_.dir() / "out/checkpoints/step-000008"));
  EXPECT_TRUE(fs::exists(run_.dir() / "out/checkpoints/step-000012"));
}

TEST_F(RunTest, BeginsFromAModel) {
  train(run_.config("first"));
  RunConfig config = run_.config("second");
  config.model.config.clear();
  config.model.tokenizer.clear();
  config.model.init_from = (run_.dir() / "first/model").string();
  train(config);
  EXPECT_LT(steps_.front().loss, 5.0) << "a trained model knows something";
}

}  // namespace
}  // namespace fathom::train
