#include "config/run/run_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/run/run_file.h"

namespace fathom {
namespace {

using ::testing::HasSubstr;

constexpr const char* kLeast = R"(
[run]
out = "runs/a"
[model]
config = "config.json"
tokenizer = "tok"
[data.train.text]
paths = "text"
[train]
steps = 10
)";

std::string problem(RunConfig& config, std::vector<std::string> settings,
                    std::string_view text = kLeast) {
  const auto read = parse_run_file(text, "run.toml", settings, field_list(config));
  return read ? "" : read.error().message();
}

std::string problem(std::vector<std::string> settings, std::string_view text = kLeast) {
  RunConfig config;
  return problem(config, std::move(settings), text);
}

// DeepSeek-V3 §4.2 and §3.3.3; where the report gives no number the comment says so.
TEST(RunConfig, DefaultsAreV3sRecipe) {
  const RunConfig config;
  EXPECT_EQ(config.model.initializer_std, 0.006);
  EXPECT_EQ(config.optimizer.beta1, 0.9);
  EXPECT_EQ(config.optimizer.beta2, 0.95);
  EXPECT_EQ(config.optimizer.weight_decay, 0.1);
  EXPECT_EQ(config.optimizer.clip_norm, 1.0);
  EXPECT_EQ(config.schedule.peak_lr, 2.2e-4);
  EXPECT_EQ(config.schedule.warmup_steps, 2000);
  EXPECT_NEAR(config.schedule.cosine_begin_frac, 10.0 / 14.8, 1e-3);
  EXPECT_NEAR(config.schedule.cosine_end_frac, 14.3 / 14.8, 1e-3);
  EXPECT_NEAR(config.schedule.tail_begin_frac, 14.633 / 14.8, 1e-3);
  EXPECT_NEAR(config.schedule.tail_lr_frac, 7.3e-6 / 2.2e-4, 1e-4);
  EXPECT_EQ(config.recipe.balance.bias_rule, BiasRule::kSign);
  EXPECT_EQ(config.recipe.balance.bias_update_speed, 0.001);
  EXPECT_NEAR(config.recipe.balance.bias_freeze_frac, 14.3 / 14.8, 1e-3);
  EXPECT_EQ(config.recipe.balance.seq_aux_loss_weight, 1e-4);
  EXPECT_EQ(config.recipe.mtp.loss_weight, 0.3);
  EXPECT_EQ(config.recipe.mtp.late_loss_weight, 0.1);
  EXPECT_NEAR(config.recipe.mtp.late_frac, 10.0 / 14.8, 1e-3);
  EXPECT_EQ(config.data.seq_len, 4096);
  EXPECT_EQ(config.data.fim_rate, 0.1);
}

TEST(RunConfig, TheLeastThatARunNeeds) {
  EXPECT_EQ(problem({}), "");
  RunConfig config;
  EXPECT_EQ(problem(config, {"schedule.shape=wsd", "precision.mode=fp8", "recompute.norms=false"}),
            "");
  EXPECT_EQ(config.schedule.shape, ScheduleShape::kWsd);
  EXPECT_EQ(config.recipe.precision.mode, TrainPrecision::kFp8);
  EXPECT_FALSE(config.recipe.recompute.norms);
}

TEST(RunConfig, WritesWhatItReads) {
  RunConfig config, again;
  ASSERT_EQ(problem(config, {"optimizer.ema_decay=0.99", "balance.bias_rule=proportional"}), "");
  const std::string text = write_run_file(field_list(config));
  ASSERT_EQ(problem(again, {}, text), "");
  EXPECT_EQ(write_run_file(field_list(again)), text);
}

TEST(RunConfig, AllThatIsMissingAtOnce) {
  const std::string text = problem({}, "");
  for (const char* key :
       {"run.out", "model.config", "model.tokenizer", "train.tokens", "data.train"}) {
    EXPECT_THAT(text, HasSubstr(key));
  }
}

TEST(RunConfig, AModelToBeginFromGivesConfigAndTokenizer) {
  EXPECT_EQ(problem({"model.config=", "model.tokenizer=", "model.init_from=models/a"}), "");
}

TEST(RunConfig, RefusesWhatDoesNotFit) {
  EXPECT_THAT(problem({"train.tokens=5"}), HasSubstr("tokens = 5 or steps = 10, not both"));
  EXPECT_THAT(problem({"train.batch_start_sequences=17"}), HasSubstr("more than batch_sequences"));
  EXPECT_THAT(problem({"train.batch_ramp_tokens=17"}), HasSubstr("needs both"));
  EXPECT_THAT(problem({"schedule.cosine_end_frac=0.5"}), HasSubstr("before cosine_begin_frac"));
  EXPECT_THAT(problem({"schedule.tail_begin_frac=0.9"}), HasSubstr("before cosine_end_frac"));
  EXPECT_THAT(problem({"precision.fp8_accumulator_bits=13"}), HasSubstr("mode = \"fp8\" only"));
  EXPECT_THAT(problem({"balance.comm_aux_loss_weight=0.02"}), HasSubstr("max_devices_per_token"));
  EXPECT_THAT(problem({"balance.bias_rule=none", "balance.bias_recenter=true"}),
              HasSubstr("nothing to recentre"));
  EXPECT_THAT(problem({"run.stage=rlhf"}), HasSubstr("\"grpo\" or \"sample\""));
  EXPECT_THAT(problem({"train.step=1"}), HasSubstr("did you mean `train.steps`"));
}

}  // namespace
}  // namespace fathom
