// Route replay (R3): what the engine chose is what training computes with, padding left out.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "model/training/training_model.h"
#include "posttrain/grpo/grpo.h"
#include "posttrain/grpo/policy_rows.h"
#include "posttrain/grpo/test_support.h"
#include "posttrain/sft/test_tiny_model.h"
#include "train/validation.h"

namespace fathom::posttrain {
namespace {

class RouteReplayTest : public StageRunTest {
 protected:
  /// tiny_grpo() on a mixture of experts, whose weights are large enough for routes to differ.
  RunConfig experts(const std::string& out, TrainPrecision precision, bool replay,
                    std::vector<std::pair<std::string, std::string>> sizes = {}) const {
    RunConfig config = tiny_grpo(dir_, out);
    std::string shape = kTinyExperts;
    sizes.emplace_back("\"vocab_size\": 64", "\"vocab_size\": 264");
    for (const auto& [from, to] : sizes) shape.replace(shape.find(from), from.size(), to);
    config.model.config = dir_.write("config.json", shape).string();
    config.model.tokenizer = sft_golden().string();
    config.model.init_from.clear();
    config.model.initializer_std = 0.2;
    config.recipe.precision.mode = precision;
    config.grpo.max_drift = 10.0;
    config.grpo.route_replay = replay;
    return config;
  }
  double mean(const char* name) const {
    double sum = 0.0;
    for (size_t i = 0; i < steps_.size(); ++i) sum += number(i, name);
    return sum / static_cast<double>(steps_.size());
  }
};

// The engine's routes are the training pass's own where rounding does not part them: what was kept
// beside shared prompts, forked and decoded rows is each token's.
TEST_F(RouteReplayTest, InF32NothingChanges) {
  run(experts("out", TrainPrecision::kF32, true));
  for (size_t i = 0; i < steps_.size(); ++i) {
    EXPECT_EQ(number(i, "routes/changed"), 0.0) << "step " << i + 1;
    EXPECT_LT(number(i, "drift/max"), 1e-4);
  }
  const std::string samples = text("out/samples.jsonl");
  run(experts("live", TrainPrecision::kF32, false));
  EXPECT_EQ(text("live/samples.jsonl"), samples);
}

// 56 choices a token are more than a row of the cache holds (48).
TEST_F(RouteReplayTest, RoutesOfManyLayersTakeSeveralRows) {
  run(experts("out", TrainPrecision::kF32, true,
              {{"\"num_hidden_layers\": 2", "\"num_hidden_layers\": 8"},
               {"\"n_routed_experts\": 4", "\"n_routed_experts\": 16"},
               {"\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 8"}}));
  for (size_t i = 0; i < steps_.size(); ++i) {
    EXPECT_LT(number(i, "routes/changed"), 1e-3) << "step " << i + 1;
    EXPECT_LT(number(i, "drift/max"), 1e-3);
  }
}

TEST_F(RouteReplayTest, InBf16TheDriftIsSmaller) {
  const auto long_answers = [&](const char* out, bool replay) {
    RunConfig config = experts(out, TrainPrecision::kBf16, replay);
    config.grpo.group_size = 16;
    config.grpo.max_new_tokens = 24;
    config.data.seq_len = 40;
    return config;
  };
  run(long_answers("live", false));
  EXPECT_GT(mean("routes/changed"), 0.0) << "or there is nothing to replay";
  const double live = mean("drift/mean");
  run(long_answers("replayed", true));
  EXPECT_GT(mean("routes/changed"), 0.0) << "the live router's choice is compared all the same";
  EXPECT_LT(mean("drift/mean"), live);
  // Where pi_old is computed apart, that pass replays too: its drift is that of rounding alone.
  RunConfig inner = long_answers("inner", true);
  inner.grpo.inner_epochs = 2;
  inner.train.checkpoint_every = 2;
  run(inner);
  const double replayed = mean("drift/max");
  inner.run.out = (dir_ / "inner-live").string();
  inner.grpo.route_replay = false;
  run(inner);
  EXPECT_LT(replayed, mean("drift/max"));
}

TEST_F(RouteReplayTest, AResumedRunReplaysTheSameRoutes) {
  const auto inner = [&](const char* out) {
    RunConfig config = experts(out, TrainPrecision::kBf16, true);
    config.grpo.inner_epochs = 2;
    config.train.checkpoint_every = 2;
    return config;
  };
  run(inner("whole"));
  run(inner("cut"), 3);  // in the middle of the second rollout
  run(inner("cut"));
  EXPECT_EQ(text("cut/samples.jsonl"), text("whole/samples.jsonl"));
  EXPECT_EQ(text("cut/model/model.safetensors"), text("whole/model/model.safetensors"));
}

/// Samples whose routes nobody would choose, on a model of experts.
class ReplayPassTest : public ::testing::Test {
 protected:
  ReplayPassTest() : model_(ctx_, config_, recipe(), 2, 12) {
    model_.initialise(ctx_, 0.2, 5);
    const Philox rng(3, 1);
    u64 draw = 0;
    for (const i64 length : {9, 5}) {
      PolicySample& sample = samples_.emplace_back();
      sample.prompt_tokens = 2;
      for (i64 t = 0; t < length; ++t) {
        sample.ids.push_back(static_cast<i32>(rng.uniform(draw++) * 60));
        if (t == length - 1) continue;
        const auto first = static_cast<u16>(rng.uniform(draw++) * 4);
        sample.routes.push_back(first);
        sample.routes.push_back(static_cast<u16>((first + 1) % 4));
      }
    }
    for (PolicySample& sample : samples_) rows_.push_back(&sample);
    fill_rows({rows_.data(), rows_.size()}, config_.num_nextn_predict_layers, batch_);
  }
  static TrainingRecipe recipe() {
    TrainingRecipe recipe;
    recipe.precision.mode = TrainPrecision::kF32;
    return recipe;
  }
  model::StepStats pass(model::RouteReplay* routes) {
    model::TrainingBatch input = train::as_training_batch(batch_, false);
    input.routes = routes;
    model::StepStats stats(config_);
    model_.begin_step(ctx_);
    model_.forward_backward(ctx_, input, {.targets = 10.0, .sequences = 2.0}, stats);
    return stats;
  }
  float largest_gate_gradient() {
    const auto& slot = *model_.layout().find("model.layers.1.mlp.gate.weight");
    float largest = 0.0f;
    for (i64 i = 0; i < slot.parameter.elements(); ++i) {
      largest =
          std::max(largest, std::abs(model_.gradients()[static_cast<size_t>(slot.offset + i)]));
    }
    return largest;
  }

  Ctx ctx_ = backend::make_context();
  ModelConfig config_ = tiny_model(true);
  model::TrainingModel model_;
  std::vector<PolicySample> samples_;
  std::vector<PolicySample*> rows_;
  data::SequenceBatch batch_;
};

TEST_F(ReplayPassTest, ExpertsAreTheRolloutsForEveryTokenThatItComputed) {
  std::vector<i32> ids;
  model::RouteReplay replay;
  replay.chosen = fill_routes({rows_.data(), rows_.size()}, batch_.seq_len, 1, 2, ids);
  const model::StepStats live = pass(nullptr);
  std::vector<i64> wanted(4, 0);
  for (const PolicySample& sample : samples_) {
    for (const u16 expert : sample.routes) ++wanted[expert];
  }
  const model::StepStats stats = pass(&replay);
  i64 difference = 0, live_difference = 0;
  for (size_t e = 0; e < wanted.size(); ++e) {
    difference += stats.expert_counts[0][e] - wanted[e];
    EXPECT_GE(stats.expert_counts[0][e], wanted[e]) << "expert " << e;
    live_difference += std::abs(live.expert_counts[0][e] - wanted[e]);
  }
  EXPECT_EQ(difference, 2 * 2) << "the last token of each sample goes its own way";
  EXPECT_GT(live_difference, 4);
  EXPECT_GT(largest_gate_gradient(), 0.0f) << "gradients reach the router";
  EXPECT_EQ(replay.pairs, 2 * (8 + 4));
  EXPECT_GT(replay.changed[0], 0);
  // Comparing alone leaves the pass as it is.
  const double changed = static_cast<double>(replay.changed[0]);
  replay.apply = false;
  EXPECT_EQ(pass(&replay).nll, live.nll);
  EXPECT_EQ(static_cast<double>(replay.changed[0]), 2 * changed);
}

TEST_F(ReplayPassTest, TheRoutersGradientIsTheLosssSlope) {
  std::vector<i32> ids;
  model::RouteReplay replay;
  replay.chosen = fill_routes({rows_.data(), rows_.size()}, batch_.seq_len, 1, 2, ids);
  pass(&replay);
  const auto& slot = *model_.layout().find("model.layers.1.mlp.gate.weight");
  const auto first = static_cast<size_t>(slot.offset);
  const auto count = static_cast<size_t>(slot.parameter.elements());
  const auto gradient = model_.gradients().subspan(first, count);
  const std::vector<float> along(gradient.begin(), gradient.end());
  double squares = 0.0;
  for (const float g : along) squares += static_cast<double>(g) * static_cast<double>(g);
  const double norm = std::sqrt(squares), step = 5e-3;
  ASSERT_GT(norm, 0.0);
  double difference = 0.0;
  for (const double sign : {1.0, -1.0}) {
    for (size_t i = 0; i < count; ++i) {
      model_.weights()[first + i] +=
          static_cast<float>(sign * step * static_cast<double>(along[i]) / norm);
    }
    const model::StepStats stats = pass(&replay);
    difference += sign * (stats.nll / 10.0 + stats.balance_loss());
    for (size_t i = 0; i < count; ++i) {
      model_.weights()[first + i] -=
          static_cast<float>(sign * step * static_cast<double>(along[i]) / norm);
    }
  }
  EXPECT_NEAR(difference / (2 * step), norm, 0.02 * norm);
}

// The shorter row ends in padding: statistics of the router are those of its own tokens.
TEST_F(ReplayPassTest, PaddingIsNoLoadOfTheRouter) {
  const model::StepStats both = pass(nullptr);
  const std::vector<float> gradients(model_.gradients().begin(), model_.gradients().end());
  model::StepStats alone(config_);
  model_.begin_step(ctx_);
  for (PolicySample* row : rows_) {
    data::SequenceBatch one;
    fill_rows({&row, 1}, config_.num_nextn_predict_layers, one);
    model_.forward_backward(ctx_, train::as_training_batch(one, false),
                            {.targets = 10.0, .sequences = 2.0}, alone);
  }
  EXPECT_EQ(both.tokens, 9 + 5);
  EXPECT_EQ(both.expert_counts, alone.expert_counts);
  EXPECT_NEAR(both.router_entropy[0], alone.router_entropy[0], 1e-4);
  EXPECT_NEAR(both.balance_loss(), alone.balance_loss(), 1e-6 * alone.balance_loss());
  EXPECT_GT(alone.balance_loss(), 0.0);
  for (size_t i = 0; i < gradients.size(); ++i) {
    ASSERT_NEAR(gradients[i], model_.gradients()[i], 1e-5) << "parameter " << i;
  }
}

}  // namespace
}  // namespace fathom::posttrain
