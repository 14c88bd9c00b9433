#include "train/config_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "train/test_support.h"

namespace fathom::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ConfigChangeTest : public ::testing::Test {
 protected:
  Result<std::vector<std::string>> change(const std::function<void(RunConfig&)>& edit,
                                          i64 steps = 8) {
    RunConfig before = run_.config("out"), after = before;
    edit(after);
    return accept_changes(before, after, steps);
  }
  std::string refusal(const std::function<void(RunConfig&)>& edit, i64 steps = 8) {
    const auto result = change(edit, steps);
    return result ? "" : result.error().message();
  }
  TinyRun run_;
};

TEST_F(ConfigChangeTest, NothingChanged) {
  EXPECT_THAT(*change([](RunConfig&) {}), IsEmpty());
}

TEST_F(ConfigChangeTest, WhatIsKeptAndValidatedMayChange) {
  const auto lines = change([](RunConfig& c) {
    c.train.keep_last = 3;
    c.train.validation_every = 0;
    c.train.checkpoint_every = 1;
    c.data.strict = true;
    c.distill.store = "elsewhere";
    c.data.validation.erase("held");
  });
  ASSERT_TRUE(lines.has_value()) << lines.error().message();
  EXPECT_THAT(*lines, ::testing::Contains(std::string("train.keep_last: 100, now 3")));
  EXPECT_THAT(*lines, ::testing::Contains(HasSubstr("data.validation.held.paths: [")));
}

TEST_F(ConfigChangeTest, WhatWasTrainedMayNot) {
  EXPECT_THAT(refusal([](RunConfig& c) { c.optimizer.beta2 = 0.99; }),
              HasSubstr("optimizer.beta2: 0.95, now 0.99"));
  EXPECT_THAT(refusal([](RunConfig& c) { c.recipe.precision.mode = TrainPrecision::kFp8; }),
              HasSubstr("precision.mode: \"bf16\", now \"fp8\""));
  EXPECT_THAT(refusal([](RunConfig& c) { c.run.seed = 8; }), HasSubstr("run.seed: 7, now 8"));
  EXPECT_THAT(refusal([](RunConfig& c) { c.distill.top_k = 7; }), HasSubstr("distill.top_k"));
  EXPECT_THAT(refusal([](RunConfig& c) { c.recipe.balance.seq_aux_loss_weight = 0; }),
              HasSubstr("balance.seq_aux_loss_weight: 0.0001, now 0"));
  EXPECT_THAT(refusal([](RunConfig& c) { c.data.isolate_documents = true; }),
              HasSubstr("data.isolate_documents"));
}

// Constant schedule: a longer run has the same first steps, but for the shares at which gamma and
// lambda change.
TEST_F(ConfigChangeTest, ALongerRunIfTheStepsTakenStayTheSame) {
  EXPECT_THAT(*change([](RunConfig& c) { c.train.steps = 20; }),
              ElementsAre("train.steps: 12, now 20"));
  EXPECT_THAT(refusal([](RunConfig& c) { c.train.steps = 20; }, 12),
              HasSubstr("step 10: MTP weight 0.1, now 0.3"));
  EXPECT_THAT(refusal([](RunConfig& c) { c.schedule.peak_lr = 1e-3; }),
              HasSubstr("step 1: learning rate 0.0015, now 0.0005"));
  EXPECT_EQ(refusal([](RunConfig& c) { c.schedule.peak_lr = 1e-3; }, 0), "");
  EXPECT_THAT(refusal([](RunConfig& c) { c.train.batch_sequences = 5; }),
              HasSubstr("step 1: sequences 4, now 5"));
}

TEST_F(ConfigChangeTest, RoundingIsToldOf) {
  EXPECT_THAT(*change([](RunConfig& c) { c.train.micro_batch_sequences = 4; }),
              ElementsAre(HasSubstr("rounded otherwise")));
  EXPECT_THAT(*change([](RunConfig& c) { c.distill.parallel = 4; }),
              ElementsAre(HasSubstr("rounded otherwise")));
}

// A teacher has been asked about the validation sets, too; on the student's own answers it is asked
// anew.
TEST_F(ConfigChangeTest, WhatAStoreHoldsStays) {
  for (const double on_policy : {0.0, 0.5}) {
    RunConfig before = run_.config("out");
    before.run.stage = TrainStage::kDistill;
    before.distill.on_policy = on_policy;
    RunConfig after = before;
    after.data.validation.erase("held");
    const auto result = accept_changes(before, after, 8);
    EXPECT_EQ(result.has_value(), on_policy > 0.0);
    if (!result) {
      EXPECT_THAT(result.error().message(), HasSubstr("data.validation.held.paths: ["));
    }
  }
}

}  // namespace
}  // namespace fathom::train
