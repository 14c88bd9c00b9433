// Whole runs of stage distill: from a mixture of experts into a dense student, and back.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "checkpoint/random_init.h"
#include "config/model/model_config.h"
#include "model/attention/kv_cache.h"
#include "posttrain/distill/distill.h"
#include "posttrain/sft/test_support.h"
#include "posttrain/sft/test_tiny_model.h"
#include "train/run/setup.h"
#include "train/validation.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class DistillRunTest : public StageRunTest {
 protected:
  /// A model directory with the golden tokenizer, made by a short run of sft.
  std::string teacher(bool has_experts) {
    RunConfig config = golden_run(dir_ / (has_experts ? "experts" : "dense"));
    std::string shape = has_experts ? kTinyExperts : kTinyDense;
    shape.replace(shape.find("\"vocab_size\": 64"), 16, "\"vocab_size\": 264");
    config.model.config = dir_.write(has_experts ? "experts.json" : "dense.json", shape).string();
    config.model.tokenizer = sft_golden().string();
    config.model.init_from.clear();
    config.model.initializer_std = 0.1;
    config.train.steps = 15;
    config.schedule.peak_lr = 1e-2;
    run(config);
    return (fs::path(config.run.out) / "model").string();
  }
  /// The golden Llama as the student.
  RunConfig config(const std::string& out, const std::string& teacher) const {
    RunConfig config = golden_run(dir_ / out);
    config.run.stage = TrainStage::kDistill;
    config.distill.teacher = teacher;
    config.distill.top_k = 16;
    config.distill.store = (dir_ / "store").string();
    config.schedule.peak_lr = 1e-2;
    config.train.steps = 12;
    config.train.checkpoint_every = 4;
    return config;
  }
};

TEST_F(DistillRunTest, TheStudentComesNearerByEveryDivergence) {
  const std::string from = teacher(/*has_experts=*/true);
  for (const auto& [kind, name] : kDivergenceNames) {
    RunConfig c = config(std::string(name), from);
    c.distill.divergence = kind;
    c.data.validation["held"].paths = c.data.train["chat"].paths;
    run(c);
    EXPECT_LT(number(11, "divergence"), 0.6 * number(0, "divergence")) << name;
    EXPECT_LT(number(11, "held/divergence"), 0.6 * number(0, "held/divergence")) << name;
    EXPECT_NEAR(number(0, "held/divergence"), number(0, "divergence"), 1e-4) << "the same lines";
    EXPECT_TRUE(std::isnan(number(5, "held/divergence")));
    EXPECT_TRUE(fs::exists(dir_ / "store/rows-000000000000.safetensors"));
    // The store holds both sets; without the held-out lines it is another.
    fs::remove_all(dir_ / "store");
  }
}

// A student that is its teacher has nothing to learn: all of the way through the store is true.
TEST_F(DistillRunTest, ATeacherIsAtNoDistanceFromItself) {
  for (const bool experts : {true, false}) {
    RunConfig c = config(experts ? "self-experts" : "self-dense", teacher(experts));
    c.model.init_from = c.distill.teacher;
    c.distill.store.clear();
    c.train.steps = 1;
    c.distill.top_k = 264;
    c.data.validation["held"].paths = c.data.train["chat"].paths;
    run(c);
    EXPECT_NEAR(number(0, "before/held/divergence"), 0.0, 1e-5)
        << "beside what the step made of it";
    EXPECT_GT(number(0, "held/divergence"), 1e-4);
    EXPECT_THAT(messages_, HasSubstr("teacher's weights, before the first step"));
    EXPECT_NEAR(number(0, "divergence"), 0.0, 1e-5) << experts;
    EXPECT_TRUE(fs::exists(fs::path(c.run.out) / "teacher/rows-000000000000.safetensors"));
  }
}

// Both kinds: where the teacher stays, and where it goes before the first step.
TEST_F(DistillRunTest, TheTeachersMemoryIsAnnounced) {
  for (const bool experts : {true, false}) {
    RunConfig c = config("announced", teacher(experts));
    c.distill.on_policy = experts ? 1.0 : 0.0;
    const auto setup = value_or_throw(train::load_run_setup(c));
    const auto memory = train::run_cost(ctx_, setup, 1, i64{1} << 32).memory;
    const auto row = std::ranges::find_if(
        memory.rows, [](const auto& r) { return r.what.starts_with("teacher's weights"); });
    ASSERT_NE(row, memory.rows.end());
    EXPECT_EQ(row->what.ends_with("before the first step"), !experts);
    EXPECT_EQ(row->bytes, model::Model::load(ctx_, c.distill.teacher)->weight_bytes());
    const auto cache = std::next(row);
    ASSERT_NE(cache, memory.rows.end());
    const ModelConfig of_teacher = value_or_throw(load_model_config(c.distill.teacher));
    EXPECT_EQ(cache->bytes,
              128 * model::KvCache::bytes_per_token(of_teacher, ops::CacheDType::kF32))
        << "a page holds a text of 110 tokens";
  }
}

TEST_F(DistillRunTest, GoesOnBitForBitFromTheSameStore) {
  const std::string from = teacher(true);
  const auto with = [&](const char* out) {
    RunConfig c = config(out, from);
    c.distill.divergence = Divergence::kJensenShannon;
    c.distill.nll_weight = 0.3;
    c.distill.temperature = 2.0;
    c.train.micro_batch_sequences = 1;
    return c;
  };
  run(with("whole"));
  const auto made = fs::last_write_time(dir_ / "store/rows-000000000000.safetensors");
  run(with("cut"), 6);
  EXPECT_EQ(run(with("cut")).resumed_step, 6);
  EXPECT_EQ(text("whole/model/model.safetensors"), text("cut/model/model.safetensors"));
  EXPECT_EQ(fs::last_write_time(dir_ / "store/rows-000000000000.safetensors"), made)
      << "it is made once";
  RunConfig other = with("other");
  other.distill.top_k = 8;
  try {
    run(other);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("top_k: found 16, expected 8"));
  }
}

// The teacher's pass may take hours: it says how far it is, and what it was stopped in goes on.
TEST_F(DistillRunTest, TheTeachersPassCanBeStopped) {
  const RunConfig c = config("stopped", teacher(true));
  i64 asked = 0, stop_at = 3;
  std::vector<i64> done, all;
  const auto train_once = [&] {
    LoadedStage loaded = load_stage(c);
    return train::train(
        ctx_, {.config = loaded.config, .measure_peak = false, .stage = loaded.stage.get()},
        {.message = [&](log::Level, const std::string& text) { messages_ += text + "\n"; },
         .stop_requested = [&] { return asked == stop_at; },
         .progress =
             [&](const std::string& what, i64 now, i64 total) {
               EXPECT_EQ(what, "asking the teacher");
               ++asked;
               done.push_back(now);
               all.push_back(total);
             }});
  };
  const train::TrainResult cut = train_once();
  EXPECT_FALSE(cut.finished);
  EXPECT_EQ(cut.step, 0);
  ASSERT_EQ(done.size(), 3u);
  messages_.clear();
  stop_at = -1;
  const train::TrainResult whole = train_once();
  EXPECT_TRUE(whole.finished);
  EXPECT_THAT(messages_, HasSubstr(fmt::format("{} of {} tokens are there", done[2], all[2])));
  EXPECT_EQ(done.back(), all.back());
  EXPECT_TRUE(std::ranges::is_sorted(done)) << "nothing is asked twice";
  EXPECT_EQ(done.size(), 6u) << "the six samples, once each";
  EXPECT_TRUE(train_once().finished);
  EXPECT_EQ(done.size(), 6u) << "a whole store asks nobody";
  const std::string model = text("stopped/model/model.safetensors");
  fs::remove_all(dir_ / "store");
  RunConfig other = c;
  other.run.out = (dir_ / "at-once").string();
  run(other);
  EXPECT_EQ(text("at-once/model/model.safetensors"), model);
}

// A stop before the first step's measure, and one in the last.
TEST_F(DistillRunTest, MeasuringCanBeStopped) {
  RunConfig c = config("measured", teacher(true));
  c.data.validation["held"].paths = c.data.train["chat"].paths;
  c.train.steps = 1;
  LoadedStage loaded = load_stage(c);
  bool is_asked = false;
  i64 questions = 0;
  train::train(
      ctx_, {.config = loaded.config, .measure_peak = false, .stage = loaded.stage.get()},
      {.step = [this](const report::StepMetrics& metrics) { steps_.push_back(metrics); },
       .stop_requested = [&] { return is_asked && ++questions > 1; },
       .progress = [&](const std::string&, i64 done, i64 all) { is_asked = done == all; }});
  EXPECT_TRUE(std::isnan(number(steps_.size() - 1, "held/divergence")));
  EXPECT_TRUE(std::isnan(number(steps_.size() - 1, "before/held/divergence")));
}

TEST_F(DistillRunTest, AnyMicroBatchesGiveTheSame) {
  const std::string from = teacher(true);
  std::vector<double> whole;
  for (const i64 micro : {3, 1}) {
    RunConfig c = config("micro" + std::to_string(micro), from);
    c.sft.loss = SftLoss::kSamples;
    c.train.micro_batch_sequences = micro;
    run(c);
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (micro == 3) {
        whole.push_back(number(i, "divergence"));
      } else {
        EXPECT_NEAR(number(i, "divergence"), whole[i], 2e-4);
      }
    }
  }
}

// Without a divergence's share the loss is that of sft, and with nearly none nearly that.
TEST_F(DistillRunTest, TheTextsOwnTokensCanShareTheLoss) {
  const std::string from = teacher(true);
  RunConfig plain = golden_run(dir_ / "plain");
  plain.train.steps = 12;
  plain.schedule.peak_lr = 1e-2;
  run(plain);
  const double of_sft = steps_.back().loss;
  RunConfig c = config("own", from);
  c.distill.nll_weight = 0.999;
  run(c);
  EXPECT_NEAR(steps_.back().loss, of_sft, 0.02);
  run(config("none", from));
  EXPECT_GT(std::abs(steps_.back().loss - of_sft), 0.02);
}

TEST_F(DistillRunTest, Refuses) {
  RunConfig none = config("bad", "");
  EXPECT_THAT(refusal(none), HasSubstr("distill.teacher: missing"));
  none.distill.teacher = (dir_ / "nowhere").string();
  EXPECT_THAT(refusal(none), HasSubstr("nowhere"));
  const std::string other = (fs::path(sft_golden()).parent_path() / "eval" / "model").string();
  EXPECT_THAT(refusal(config("bad", other)),
              HasSubstr("logits are distilled between models of one tokenizer"));
}

// What would read beyond the teacher's logits, or leave numbers behind that are none.
TEST_F(DistillRunTest, ATeacherThatCannotBeLearntFromLeavesNoStore) {
  const auto refusal_of = [&](const std::string& name) -> std::string {
    RunConfig c = config(name + "-run", (dir_ / name).string());
    c.data.validation.clear();
    try {
      run(c);
    } catch (const Error& error) {
      return error.message();
    }
    return "accepted";
  };
  const auto make = [&](const std::string& name, i64 vocab_size) {
    ModelConfig shape = tiny_model(/*has_experts=*/false);
    shape.vocab_size = vocab_size;
    checkpoint::write_random_checkpoint(ctx_, shape, dir_ / name, {.dtype = DType::kF32});
    for (const auto& file : fs::directory_iterator(sft_golden())) {
      if (!file.path().filename().string().starts_with("tokenizer")) continue;
      fs::copy(file.path(), dir_ / name / file.path().filename());
    }
  };
  make("small", 64);
  EXPECT_THAT(refusal_of("small"),
              HasSubstr("vocab_size: found 64, expected at least the 264 ids"));
  make("broken", 264);
  const fs::path weights = dir_ / "broken/model.safetensors";
  const auto half = static_cast<std::streamoff>(fs::file_size(weights) / 2);
  {
    std::fstream file(weights, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(half);
    file << std::string(static_cast<size_t>(half), '\xff');
  }
  EXPECT_THAT(refusal_of("broken"), HasSubstr("nan, expected a finite number"));
  EXPECT_FALSE(fs::exists(dir_ / "store/rows-000000000000.safetensors"));
}

/// The gradient of a step by the student's weights against finite differences of its loss.
TEST_F(DistillRunTest, TheGradientIsTheLosssSlope) {
  const std::string from = teacher(false);
  for (const auto& [kind, name] : kDivergenceNames) {
    RunConfig c = config(fmt::format("slope-{}", name), from);
    c.distill.divergence = kind;
    c.distill.temperature = 1.5;
    LoadedStage loaded = load_stage(c);
    const auto setup = value_or_throw(train::load_run_setup(loaded.config));
    model::TrainingModel model(ctx_, setup.model, c.recipe, 3, c.data.seq_len);
    model.initialise(ctx_, 0.1, 3);
    data::SequenceBatch batch;
    const train::StepPlan plan = setup.plan.step(1);
    model.begin_step(ctx_);
    loaded.stage->begin_run(ctx_, {});
    loaded.stage->begin_step(ctx_, plan, model);
    loaded.stage->read({0, 3}, batch);
    const auto loss = [&] {
      model.begin_step(ctx_);
      loaded.stage->begin_step(ctx_, plan, model);
      model::TrainingBatch input = train::as_training_batch(batch, true);
      loaded.stage->prepare(batch, input);
      model::StepStats stats(setup.model);
      model.forward_backward(ctx_, input, {.targets = 1.0, .sequences = 3.0}, stats);
      report::StepMetrics metrics;
      loaded.stage->end_step(metrics);
      for (const auto& [key, value] : metrics.stage) {
        if (key == "divergence") return value * 1.5 * 1.5;
      }
      return 0.0;
    };
    loss();
    const std::vector<float> gradient(model.gradients().begin(), model.gradients().end());
    double squares = 0.0;
    for (const float g : gradient) squares += static_cast<double>(g) * static_cast<double>(g);
    const double norm = std::sqrt(squares), step = 5e-3;
    const std::vector<float> weights(model.weights().begin(), model.weights().end());
    double difference = 0.0;
    for (const double sign : {1.0, -1.0}) {
      for (size_t i = 0; i < weights.size(); ++i) {
        model.weights()[i] =
            weights[i] + static_cast<float>(sign * step * static_cast<double>(gradient[i]) / norm);
      }
      difference += sign * loss();
    }
    EXPECT_NEAR(difference / (2 * step), norm, 0.01 * norm) << name;
  }
}

}  // namespace
}  // namespace fathom::posttrain
