// One step after another, held against what the parts of a step are meant to do.
#include "train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "backend/backend.h"
#include "data/cache/prepare.h"
#include "train/balance.h"
#include "train/pretrain.h"
#include "train/run/text.h"
#include "train/test_support.h"

namespace fathom::train {
namespace {

using ::testing::HasSubstr;

/// A trainer and everything that it reads.
class Bench {
 public:
  Bench(Ctx& ctx, const RunConfig& config)
      : setup_(value_or_throw(load_run_setup(config))),
        text_(load_run_text(setup_)),
        stage_(config.data, setup_.model.num_nextn_predict_layers,
               data::prepare_data(config.data, text_.tokenizer)),
        trainer(ctx, setup_, stage_, text_.text_bytes, config.train.micro_batch_sequences) {
    trainer.model().initialise(ctx, config.model.initializer_std, 7);
    trainer.optimizer().start_average(trainer.model().weights());
  }

  const RunSetup& setup() const { return setup_; }
  std::span<const i32> text_bytes() const { return text_.text_bytes; }
  const ValidationText& validation() const { return stage_.validation().front(); }

 private:
  RunSetup setup_;
  RunText text_;
  Pretrain stage_;

 public:
  Trainer trainer;
};

std::vector<float> copy_of(std::span<const float> values) { return {values.begin(), values.end()}; }

class TrainerTest : public ::testing::Test {
 protected:
  std::vector<report::ValidationMetrics> validate(Bench& bench) {
    return *bench.trainer.validate(ctx_, [] { return false; });
  }

  TinyRun run_;
  Ctx ctx_ = backend::make_context();
  RunConfig config_ = run_.config("unused");
};

// average = decay * average + (1 - decay) * weights, with the weights that the step ends with: the
// router's bias, which moves last, included.
TEST_F(TrainerTest, TheAverageTakesInTheStepItFollows) {
  config_.optimizer.ema_decay = 0.75;
  Bench bench(ctx_, config_);
  std::vector<float> expected = copy_of(bench.trainer.model().weights());
  for (int step = 1; step <= 3; ++step) {
    bench.trainer.step(ctx_);
    const std::span<const float> weights = bench.trainer.model().weights();
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] = 0.75f * expected[i] + 0.25f * weights[i];
    }
    for (const checkpoint::ParameterSlot& slot : bench.trainer.model().layout().slots()) {
      for (i64 i = slot.offset; i < slot.offset + slot.parameter.elements(); ++i) {
        const auto at = static_cast<size_t>(i);
        ASSERT_NEAR(bench.trainer.optimizer().average()[at], expected[at],
                    1e-6 * (1.0 + std::abs(static_cast<double>(expected[at]))))
            << slot.parameter.name << " after step " << step;
      }
    }
  }
}

TEST_F(TrainerTest, CountersOfTheState) {
  config_.train.batch_start_sequences = 2;
  config_.train.batch_ramp_tokens = 128;  // 2, 2, 3, 3, 4 sequences
  Bench bench(ctx_, config_);
  i64 samples = 0;
  for (i64 step = 1; step <= 5; ++step) {
    const StepPlan plan = bench.setup().plan.step(step);
    samples += plan.sequences;
    const report::StepMetrics metrics = bench.trainer.step(ctx_);
    const TrainerState& state = bench.trainer.state();
    EXPECT_EQ(state.step, step);
    EXPECT_EQ(state.updates, step);
    EXPECT_EQ(state.next_sample, samples);
    EXPECT_EQ(state.tokens, samples * 32);
    EXPECT_EQ(state.skipped_steps, 0);
    EXPECT_EQ(metrics.step, step);
    EXPECT_EQ(metrics.tokens, samples * 32);
    EXPECT_EQ(metrics.samples, samples);
    EXPECT_EQ(metrics.lr, plan.lr);
    EXPECT_EQ(metrics.bias_update_speed, plan.bias_update_speed);
  }
  EXPECT_GT(samples, 5 * 2) << "the batch must have grown";
}

TEST_F(TrainerTest, ASkippedStepCountsAndChangesNoWeight) {
  config_.optimizer.ema_decay = 0.75;
  Bench bench(ctx_, config_);
  bench.trainer.step(ctx_);
  const std::span<const checkpoint::ParameterSlot> slots = bench.trainer.model().layout().slots();
  const auto norm =
      std::ranges::find(slots, "model.norm.weight",
                        [](const checkpoint::ParameterSlot& slot) { return slot.parameter.name; });
  ASSERT_NE(norm, slots.end());
  const auto at = static_cast<size_t>(norm->offset);
  float& weight = bench.trainer.model().weights()[at];
  const float good = weight;
  weight = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> before = copy_of(bench.trainer.model().weights());
  const std::vector<float> average = copy_of(bench.trainer.optimizer().average());
  for (const i64 in_row : {1, 2}) {
    const report::StepMetrics metrics = bench.trainer.step(ctx_);
    EXPECT_THAT(metrics.skipped, HasSubstr("not finite"));
    EXPECT_EQ(bench.trainer.state().skipped_in_row, in_row);
    EXPECT_EQ(bench.trainer.state().skipped_steps, in_row);
    EXPECT_EQ(bench.trainer.state().updates, 1);
    EXPECT_EQ(bench.trainer.state().step, 1 + in_row);
    EXPECT_EQ(bench.trainer.state().tokens, (1 + in_row) * 4 * 32);
  }
  weight = before[at] = good;
  EXPECT_EQ(copy_of(bench.trainer.model().weights()), before);
  EXPECT_EQ(copy_of(bench.trainer.optimizer().average()), average);
  EXPECT_EQ(bench.trainer.step(ctx_).skipped, "");
  EXPECT_EQ(bench.trainer.state().skipped_in_row, 0) << "a good step ends the row";
  EXPECT_EQ(bench.trainer.state().skipped_steps, 2) << "and forgets none";
  EXPECT_EQ(bench.trainer.state().updates, 2);
}

/// Many short documents in a sequence.
std::string short_documents() {
  std::string lines;
  for (u64 i = 0; i < 60; ++i) {
    lines += "{\"text\": \"" + tiny_text(100 + i, 1) + "\"}\n";
  }
  return lines;
}

// Training and validation both keep documents apart where the run file says so.
TEST_F(TrainerTest, IsolatedDocumentsInTrainingAndValidation) {
  const std::string path = run_.dir().write("short.jsonl", short_documents()).string();
  config_.data.validation["held"].paths = {path};
  config_.data.train.clear();
  config_.data.train["a"].paths = {path};
  std::vector<double> training, validation;
  for (const bool isolate : {false, true}) {
    config_.data.isolate_documents = isolate;
    Bench bench(ctx_, config_);
    const report::ValidationMetrics held = validate(bench).front();
    validation.push_back(held.loss);
    const ValidationText& set = bench.validation();
    data::SequenceBatch batch;
    model::StepStats stats(bench.setup().model);
    for (i64 i = 0; i < set.num_sequences; ++i) {
      set.read({i, 1}, batch);
      bench.trainer.model().forward_only(ctx_,
                                         {.tokens = batch.tokens(),
                                          .targets = batch.targets(),
                                          .documents = batch.documents(),
                                          .samples = {batch.samples.data(), {1}},
                                          .isolate_documents = isolate},
                                         stats);
    }
    EXPECT_NEAR(held.loss, stats.nll / static_cast<double>(stats.targets), 1e-4 * held.loss);
    training.push_back(bench.trainer.step(ctx_).loss);
  }
  EXPECT_GT(std::abs(validation[0] - validation[1]), 1e-4);
  EXPECT_GT(std::abs(training[0] - training[1]), 1e-4);
}

// As many sequences as asked for while it runs, all of them at its end.
TEST_F(TrainerTest, ValidationOfAPartAndOfTheWhole) {
  config_.train.validation_sequences = 2;
  Bench bench(ctx_, config_);
  const auto experts_chosen = [](const report::ValidationMetrics& set) {
    return set.load.front().share;
  };
  bench.trainer.state().step = 11;
  const report::ValidationMetrics part = validate(bench).front();
  bench.trainer.state().step = 12;
  const report::ValidationMetrics whole = validate(bench).front();
  EXPECT_EQ(part.step, 11);
  EXPECT_EQ(part.set, "held");
  EXPECT_EQ(whole.step, 12);
  EXPECT_NE(part.loss, whole.loss);
  EXPECT_NE(experts_chosen(part), experts_chosen(whole));
  EXPECT_FALSE(bench.trainer.validate(ctx_, [] { return true; }).has_value());
}

TEST_F(TrainerTest, EntropyIsOfTheWholeStep) {
  std::vector<double> entropy;
  for (const i64 micro : {1, 4}) {
    config_.train.micro_batch_sequences = micro;
    Bench bench(ctx_, config_);
    entropy.push_back(bench.trainer.step(ctx_).load.front().entropy);
  }
  EXPECT_NEAR(entropy[0], entropy[1], 1e-3);
  EXPECT_GT(entropy[0], 0.5);
}

// The last micro-batch ends where the part does.
TEST_F(TrainerTest, ValidationOfAPartIsTheSameForAnyMicroBatch) {
  config_.train.validation_sequences = 3;
  std::vector<std::vector<double>> shares;
  for (const i64 micro : {1, 2}) {
    config_.train.micro_batch_sequences = micro;
    Bench bench(ctx_, config_);
    shares.push_back(validate(bench).front().load.front().share);
  }
  EXPECT_EQ(shares[0], shares[1]);
}

// All weights tiny but the last norm's: every product forward is finite, and what passes back
// through that norm, which divides by tiny numbers, is not.
TEST_F(TrainerTest, AFiniteLossWithoutAFiniteGradientIsSkipped) {
  std::string config = kTinyModel;
  config.replace(config.find("1e-06"), 5, "1e-20");
  run_.dir().write("config.json", config);
  Bench bench(ctx_, config_);
  for (const checkpoint::ParameterSlot& slot : bench.trainer.model().layout().slots()) {
    const std::string& name = slot.parameter.name;
    if (name == "lm_head.weight") continue;
    const float factor = name == "model.norm.weight"         ? 1e33f
                         : slot.parameter.shape.size() == 2u ? 1e-9f
                                                             : 1.0f;
    for (i64 i = 0; i < slot.parameter.elements(); ++i) {
      bench.trainer.model().weights()[static_cast<size_t>(slot.offset + i)] *= factor;
    }
  }
  const report::StepMetrics metrics = bench.trainer.step(ctx_);
  EXPECT_THAT(metrics.skipped, HasSubstr("the gradient is not finite"));
  EXPECT_EQ(bench.trainer.state().updates, 0);
}

// bits per byte = nats / ln 2 / bytes of the targets' text, from numbers of its own.
TEST_F(TrainerTest, BitsPerByteOfWhatWasScored) {
  EXPECT_DOUBLE_EQ(bits_per_byte(std::numbers::ln2 * 12, 4), 3.0);
  EXPECT_EQ(bits_per_byte(1.0, 0), 0.0);
  Bench bench(ctx_, config_);
  const report::ValidationMetrics held = validate(bench).front();
  const ValidationText& set = bench.validation();
  data::SequenceBatch batch;
  set.read({0, set.num_sequences}, batch);
  i64 targets = 0, bytes = 0;
  for (i64 i = 0; i < batch.targets()[0].size(); ++i) {
    const i32 id = batch.targets()[0].data()[i];
    if (id < 0) continue;
    ++targets;
    bytes += bench.text_bytes()[static_cast<size_t>(id)];
  }
  EXPECT_NE(bytes, targets) << "the test needs a token that is not a byte";
  EXPECT_NEAR(
      held.bits_per_byte,
      held.loss * static_cast<double>(targets) / std::numbers::ln2 / static_cast<double>(bytes),
      1e-9);
}

TEST_F(TrainerTest, LayerLoadsOfCounts) {
  Bench bench(ctx_, config_);
  model::TrainingModel& model = bench.trainer.model();
  model::StepStats stats(bench.setup().model);
  stats.tokens = 10;
  stats.expert_counts = {{1, 0, 4, 15}, {5, 5, 5, 5}};
  stats.router_entropy = {12.5, 7.5};
  const View<float, 1> bias = model.router_bias(0);
  for (i64 e = 0; e < 4; ++e) bias(e) = static_cast<float>(e) - 1.5f;
  const std::vector<report::LayerLoad> loads = layer_loads(stats, model);
  ASSERT_EQ(loads.size(), 2u);
  EXPECT_THAT(loads[0].share, ::testing::ElementsAre(0.05, 0.0, 0.2, 0.75));
  EXPECT_DOUBLE_EQ(loads[0].max_vio, 2.0);  // (15 - 5) / 5
  EXPECT_DOUBLE_EQ(loads[1].max_vio, 0.0);
  EXPECT_DOUBLE_EQ(loads[0].entropy, 1.25);
  EXPECT_DOUBLE_EQ(loads[1].entropy, 0.75);
  EXPECT_EQ(loads[0].dead_experts, 1);
  EXPECT_EQ(loads[1].dead_experts, 0);
  EXPECT_EQ(loads[0].bias_min, -1.5);
  EXPECT_EQ(loads[0].bias_max, 1.5);
  EXPECT_DOUBLE_EQ(mean_max_violation(loads), 1.0);
}

}  // namespace
}  // namespace fathom::train
