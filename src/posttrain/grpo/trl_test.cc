// Losses of ten steps on rollouts that are given, against TRL's GRPOTrainer on the same model
// (tools/golden/make_grpo_golden.py): one rollout feeds all ten, so that ratios leave 1.
#include <gmock/gmock.h>

#include <map>

#include "io/json.h"
#include "posttrain/grpo/policy_loss.h"
#include "posttrain/grpo/policy_objective.h"
#include "posttrain/grpo/policy_rows.h"
#include "posttrain/json_lines.h"
#include "posttrain/sft/test_support.h"
#include "train/validation.h"

namespace fathom::posttrain {
namespace {

std::filesystem::path grpo_golden() { return testing::golden_directory("grpo"); }

std::vector<i32> ids_of(const io::JsonValue& line, const char* key) {
  std::vector<i32> ids;
  for (const io::JsonValue& id : line.find(key)->as_array()) {
    ids.push_back(static_cast<i32>(id.as_integer()));
  }
  return ids;
}

/// Two groups of four.
std::vector<PolicySample> given_samples() {
  std::vector<PolicySample> samples;
  SourceConfig source;
  source.paths = {(grpo_golden() / "rollouts.jsonl").string()};
  for_each_json_line(source, "rollouts", [&](const io::JsonValue& line) -> Result<void> {
    PolicySample& sample = samples.emplace_back();
    sample.ids = ids_of(line, "prompt_ids");
    sample.prompt_tokens = std::ssize(sample.ids);
    const std::vector<i32> answer = ids_of(line, "completion_ids");
    sample.ids.insert(sample.ids.end(), answer.begin(), answer.end());
    sample.reward.total = line.find("reward")->as_number();
    return {};
  });
  return samples;
}

/// The stage grpo behind its rollout, which is given: the same rows, scores and objective.
class GivenRollouts : public train::Stage {
 public:
  GivenRollouts(GrpoConfig config, std::vector<PolicySample> samples)
      : config_(config),
        loss_(config),
        samples_(std::move(samples)),
        rows_(longest_first(samples_)) {
    for (size_t first = 0; first < samples_.size(); first += 4) {
      std::vector<double> rewards;
      for (size_t i = first; i < first + 4; ++i) rewards.push_back(samples_[i].reward.total);
      const auto advantages =
          group_advantages(rewards, std::vector<bool>(4, true), config_.advantage);
      for (size_t i = 0; i < 4; ++i) samples_[first + i].advantage = advantages[i];
    }
  }

  void read(data::SampleRange range, data::SequenceBatch& batch) override {
    first_ = range.first % 8;
    const auto part = part_of(range.count);
    fill_rows({part.data(), part.size()}, 0, batch);
    for (i64 r = 0; r < range.count; ++r) batch.samples[static_cast<size_t>(r)] = range.first + r;
  }
  std::string_view source_name(i32) const override { return "given"; }
  std::span<const train::ValidationText> validation() const override { return {}; }
  io::Hash128 fingerprint() const override { return {}; }
  std::string statistics() const override { return {}; }
  void begin_step(Ctx& ctx, const train::StepPlan& plan, model::TrainingModel& model) override {
    ctx_ = &ctx;
    model_ = &model;
    if (plan.step == 1) {
      record(&PolicySample::old_log_probs, rows_);
      for (PolicySample& sample : samples_) {
        sample.rollout_log_probs = sample.reference_log_probs = sample.old_log_probs;
      }
    }
    loss_.begin_step(rows_);
  }
  void prepare(const data::SequenceBatch& batch, model::TrainingBatch& input) override {
    first_ = batch.samples.front() % 8;
    const auto part = part_of(batch.num_sequences);
    ratios_.clear();
    if (config_.ratio == GrpoRatio::kSequence) find_ratios(part);
    loss_.begin_batch(part, batch.seq_len, ratios_);
    input.objective = &loss_;
  }
  void end_step(report::StepMetrics&) override { losses.push_back(loss_.stats().loss); }

  std::vector<double> losses;
  const std::vector<PolicySample>& samples() const { return samples_; }

 private:
  std::span<PolicySample* const> part_of(i64 count) const {
    return std::span(rows_).subspan(static_cast<size_t>(first_), static_cast<size_t>(count));
  }
  void record(LogProbRecorder::Member member, std::span<PolicySample* const> rows) {
    model_->refresh_weights(*ctx_);
    model::StepStats unused(model_->config());
    for (const auto& part : {rows.first(rows.size() / 2), rows.subspan(rows.size() / 2)}) {
      data::SequenceBatch batch;
      fill_rows({part.data(), part.size()}, 0, batch);
      LogProbRecorder recorder(part, batch.seq_len, member);
      model::TrainingBatch input = train::as_training_batch(batch, false);
      input.objective = &recorder;
      model_->forward_only(*ctx_, input, unused);
    }
  }
  void find_ratios(std::span<PolicySample* const> part) {
    std::vector<PolicySample> now;
    for (const PolicySample* sample : part) now.push_back(*sample);
    std::vector<PolicySample*> rows;
    for (PolicySample& sample : now) rows.push_back(&sample);
    record(&PolicySample::rollout_log_probs, rows);
    for (const PolicySample& sample : now) {
      double sum = 0.0;
      for (size_t t = 0; t < sample.old_log_probs.size(); ++t) {
        sum += sample.rollout_log_probs[t] - sample.old_log_probs[t];
      }
      ratios_.push_back(sum / static_cast<double>(sample.answer_tokens()));
    }
  }

  GrpoConfig config_;
  PolicyObjective loss_;
  std::vector<PolicySample> samples_;
  std::vector<PolicySample*> rows_;
  std::vector<double> ratios_;
  i64 first_ = 0;
  Ctx* ctx_ = nullptr;
  model::TrainingModel* model_ = nullptr;
};

/// The variant of TRL as this program names its parts.
GrpoConfig variant(const io::JsonValue& of) {
  GrpoConfig config = with_preset({});
  const std::string& type = of.find("loss_type")->as_string();
  config.weighing = type == "grpo"   ? GrpoWeighing::kSamples
                    : type == "dapo" ? GrpoWeighing::kTokens
                                     : GrpoWeighing::kConstant;
  config.clip_low = of.find("epsilon")->as_number();
  config.clip_high = of.find("epsilon_high")->as_number();
  config.kl_weight = of.find("beta")->as_number();
  if (of.find("scale_rewards") != nullptr) config.advantage = GrpoAdvantage::kMean;
  if (const io::JsonValue* by_ratio = of.find("use_bias_correction_kl")) {
    config.kl = by_ratio->as_bool() ? KlEstimator::kK3Ratio : KlEstimator::kK3;
  }
  if (of.find("importance_sampling_level") != nullptr) config.ratio = GrpoRatio::kSequence;
  return config;
}

class TrlGrpoTest : public StageRunTest {};

TEST_F(TrlGrpoTest, LossesOfTenStepsAreThoseOfTrl) {
  const io::JsonValue golden = value_or_throw(io::read_json(grpo_golden() / "golden.json"));
  i64 variants = 0;
  for (const auto& [name, of] : golden.find("variants")->as_object()) {
    RunConfig config = golden_run(dir_ / name);
    config.data.seq_len = 16;
    config.train.batch_sequences = 8;
    config.train.micro_batch_sequences = 4;
    config.schedule.peak_lr = golden.find("learning_rate")->as_number();
    GrpoConfig grpo = variant(of);
    grpo.max_new_tokens = golden.find("max_completion_length")->as_integer();
    GivenRollouts stage(grpo, given_samples());
    train::train(ctx_, {.config = config, .measure_peak = false, .stage = &stage}, {});
    const io::JsonArray& losses = of.find("losses")->as_array();
    ASSERT_EQ(stage.losses.size(), losses.size()) << name;
    for (size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(stage.losses[i], losses[i].as_number(), 1e-4) << name << ", step " << i + 1;
    }
    EXPECT_GT(std::abs(losses.front().as_number() - losses.back().as_number()), 0.01) << name;
    const io::JsonArray& advantages = of.find("advantages")->as_array();
    for (size_t i = 0; i < advantages.size(); ++i) {
      EXPECT_NEAR(stage.samples()[i].advantage, advantages[i].as_number(), 1e-5) << name;
    }
    ++variants;
  }
  EXPECT_EQ(variants, 5);
}

}  // namespace
}  // namespace fathom::posttrain
