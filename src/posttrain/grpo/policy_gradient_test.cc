// The gradient of a whole step by the model's weights against finite differences of its loss, for
// every variant, on a dense model and on a mixture of experts.
#include <gtest/gtest.h>

#include <cmath>

#include "backend/backend.h"
#include "base/rng.h"
#include "model/training/training_model.h"
#include "posttrain/grpo/policy_objective.h"
#include "posttrain/grpo/policy_rows.h"
#include "posttrain/sft/test_tiny_model.h"
#include "train/validation.h"

namespace fathom::posttrain {
namespace {

class PolicyGradientTest : public ::testing::TestWithParam<bool> {
 protected:
  PolicyGradientTest()
      : config_(tiny_model(/*has_experts=*/GetParam())), model_(ctx_, config_, recipe(), 4, 16) {
    model_.initialise(ctx_, 0.2, 5);
    const Philox rng(3, 1);
    u64 draw = 0;
    for (const auto& [prompt, answer] : {std::pair<i64, i64>{3, 2}, {3, 7}, {5, 4}, {5, 1}}) {
      PolicySample& sample = samples_.emplace_back();
      sample.prompt_tokens = prompt;
      for (i64 i = 0; i < prompt + answer; ++i) {
        sample.ids.push_back(static_cast<i32>(rng.uniform(draw++) * 60));
      }
      sample.advantage = rng.normal(draw++);
    }
    for (PolicySample& sample : samples_) rows_.push_back(&sample);
    fill_rows({rows_.data(), rows_.size()}, config_.num_nextn_predict_layers, batch_);
    // What the untrained policy thinks, a little off.
    record(&PolicySample::rollout_log_probs);
    for (PolicySample& sample : samples_) {
      for (double& x : sample.rollout_log_probs) x += 0.2 * rng.normal(draw++);
      sample.old_log_probs = sample.rollout_log_probs;
      sample.reference_log_probs = sample.rollout_log_probs;
      for (double& x : sample.old_log_probs) x += 0.1 * rng.normal(draw++);
      for (double& x : sample.reference_log_probs) x += 0.3 * rng.normal(draw++);
    }
  }
  static TrainingRecipe recipe() {
    TrainingRecipe recipe;
    recipe.precision.mode = TrainPrecision::kF32;
    recipe.balance.seq_aux_loss_weight = 0.0;
    return recipe;
  }
  void record(LogProbRecorder::Member member) {
    LogProbRecorder recorder(rows_, batch_.seq_len, member);
    pass(recorder, false);
  }
  void pass(model::TokenObjective& objective, bool backward) {
    model::TrainingBatch input = train::as_training_batch(batch_, false);
    input.objective = &objective;
    model::StepStats stats(config_);
    model_.begin_step(ctx_);
    if (backward) {
      model_.forward_backward(ctx_, input, {.targets = 1.0, .sequences = 1.0}, stats);
    } else {
      model_.forward_only(ctx_, input, stats);
    }
  }
  double loss(const GrpoConfig& config, bool backward) {
    std::vector<double> ratios;
    if (config.ratio == GrpoRatio::kSequence) {
      std::vector<PolicySample> now = samples_;
      std::vector<PolicySample*> rows;
      for (PolicySample& sample : now) rows.push_back(&sample);
      LogProbRecorder recorder(rows, batch_.seq_len, &PolicySample::rollout_log_probs);
      pass(recorder, false);
      for (const PolicySample& sample : now) {
        double sum = 0.0;
        for (size_t t = 0; t < sample.old_log_probs.size(); ++t) {
          sum += sample.rollout_log_probs[t] - sample.old_log_probs[t];
        }
        ratios.push_back(sum / static_cast<double>(sample.old_log_probs.size()));
      }
    }
    PolicyObjective objective(config);
    objective.begin_step(rows_);
    objective.begin_batch(rows_, batch_.seq_len, ratios);
    pass(objective, backward);
    return objective.stats().loss;
  }

  Ctx ctx_ = backend::make_context();
  ModelConfig config_;
  model::TrainingModel model_;
  std::vector<PolicySample> samples_;
  std::vector<PolicySample*> rows_;
  data::SequenceBatch batch_;
};

TEST_P(PolicyGradientTest, IsTheSlopeOfTheLossAlongItself) {
  for (const auto& [preset, name] : kGrpoPresetNames) {
    GrpoConfig config;
    config.preset = preset;
    config.max_new_tokens = 8;
    config = with_preset(config);
    config.kl_weight = 0.04;
    if (preset == GrpoPreset::kGspo) config.clip_low = config.clip_high = 0.5;
    loss(config, true);
    const std::vector<float> gradient(model_.gradients().begin(), model_.gradients().end());
    double squares = 0.0;
    for (const float g : gradient) squares += static_cast<double>(g) * static_cast<double>(g);
    ASSERT_GT(squares, 0.0) << name;
    const double norm = std::sqrt(squares), step = 2e-3;
    const std::vector<float> weights(model_.weights().begin(), model_.weights().end());
    double difference = 0.0;
    for (const double sign : {1.0, -1.0}) {
      for (size_t i = 0; i < weights.size(); ++i) {
        model_.weights()[i] =
            weights[i] + static_cast<float>(sign * step * static_cast<double>(gradient[i]) / norm);
      }
      difference += sign * loss(config, false);
    }
    std::ranges::copy(weights, model_.weights().begin());
    EXPECT_NEAR(difference / (2 * step), norm, 0.01 * norm) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(DenseAndExperts, PolicyGradientTest, ::testing::Bool(),
                         [](const auto& given) { return given.param ? "Experts" : "Dense"; });

}  // namespace
}  // namespace fathom::posttrain
