// A run on several ranks, held against the same run on one.
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <thread>
#include <utility>

#include "io/safetensors.h"
#include "train/ranks/test_ranks.h"

namespace fathom::train {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(RanksTest, DataRanksFollowOneRank) {
  const RunConfig one = f32_config(run_, "one");
  const Told alone = train(one, 1);
  for (const int ranks : {2, 3}) {  // 3: shares of 1, 1 and 2 sequences
    const RunConfig config = f32_config(run_, fmt::format("data{}", ranks));
    const Told together = train(config, ranks);
    expect_same_course(alone, together, 1e-5);
    EXPECT_EQ(together.result.step, 4);
    ASSERT_EQ(together.result.validation.size(), 1u);
    EXPECT_NEAR(together.result.validation[0].loss, alone.result.validation[0].loss, 1e-4);
    EXPECT_NEAR(together.result.validation[0].bits_per_byte,
                alone.result.validation[0].bits_per_byte, 1e-4);
  }
}

TEST_F(RanksTest, ALayoutGivesTheSameBitsUnderAnyTiming) {
  RunConfig a = f32_config(run_, "a"), b = f32_config(run_, "b");
  a.parallel.expert_ranks = b.parallel.expert_ranks = 2;
  a.parallel.round_tokens = b.parallel.round_tokens = 7;  // divides nothing
  train(a, 4);
  train(b, 4, /*chaos=*/5);
  expect_same_numbers(checkpoint(a, 4), checkpoint(b, 4));
}

TEST_F(RanksTest, EveryStepSaysWhatItsRanksDidAndWhichWasSlowest) {
  RunConfig config = f32_config(run_, "table");
  config.train.steps = 2;
  for (const report::StepMetrics& step : train(config, 3).steps) {
    const std::map<std::string, double> numbers(step.stage.begin(), step.stage.end());
    double longest = 0.0;
    for (int rank = 0; rank < 3; ++rank) {
      const double compute_s = numbers.at(fmt::format("rank{}_compute_s", rank));
      EXPECT_GT(compute_s, 0.0);
      EXPECT_GE(numbers.at(fmt::format("rank{}_wait_s", rank)), 0.0);
      EXPECT_GT(numbers.at(fmt::format("rank{}_sent_bytes", rank)), 1000.0);
      EXPECT_EQ(numbers.at(fmt::format("rank{}_network_bytes", rank)), 0.0);
      longest = std::max(longest, compute_s);
    }
    const int slowest = static_cast<int>(numbers.at("slowest_rank"));
    EXPECT_EQ(numbers.at(fmt::format("rank{}_compute_s", slowest)), longest);
  }
}

TEST_F(RanksTest, ExpertRanksFollowOneRank) {
  const RunConfig one = f32_config(run_, "one");
  const Told alone = train(one, 1);
  for (const int expert_ranks : {4}) {
    RunConfig config = f32_config(run_, fmt::format("experts{}", expert_ranks));
    config.parallel.expert_ranks = expert_ranks;
    config.parallel.wire = WireFormat::kF32;
    const Told together = train(config, 4);
    expect_same_course(alone, together, 1e-5);
    for (size_t i = 0; i < alone.steps.size(); ++i) {
      for (size_t layer = 0; layer < alone.steps[i].load.size(); ++layer) {
        EXPECT_EQ(together.steps[i].load[layer].share, alone.steps[i].load[layer].share);
        EXPECT_EQ(together.steps[i].load[layer].bias_max, alone.steps[i].load[layer].bias_max);
      }
    }
  }
}

TEST_F(RanksTest, NarrowWiresStayNear) {
  const Told alone = train(f32_config(run_, "one"), 1);
  for (const WireFormat wire : {WireFormat::kBf16, WireFormat::kFp8}) {
    RunConfig config = f32_config(run_, wire == WireFormat::kBf16 ? "bf16" : "fp8");
    config.parallel.expert_ranks = 2;
    config.parallel.wire = wire;
    const Told together = train(config, 2);
    for (size_t i = 0; i < alone.steps.size(); ++i) {
      EXPECT_NEAR(together.steps[i].loss, alone.steps[i].loss, 2.5e-3 * alone.steps[i].loss);
      EXPECT_NE(together.steps[i].loss, alone.steps[i].loss) << "the wire is not narrow";
    }
  }
}

// Gradients are one tree of the step's micro-batches, so whole runs are equal bit for bit.
TEST_F(RanksTest, AnyLayoutReductionGivesOneRanksBits) {
  RunConfig one = f32_config(run_, "one");
  one.parallel.reduction = GradientReduction::kAnyLayout;
  one.recipe.balance.batch_aux_loss_weight = 1e-3;
  one.train.batch_sequences = 8;
  train(one, 1);
  struct Layout {
    int ranks;
    i64 pipeline;
    PipelineSchedule schedule = PipelineSchedule::k1F1B;
  };
  for (const Layout& layout : {Layout{2, 1}, {8, 1}, {2, 2}, {4, 2, PipelineSchedule::kDualPipe}}) {
    RunConfig config = one;
    config.run.out = (run_.dir() / fmt::format("{}-{}", layout.ranks, layout.pipeline)).string();
    config.parallel.pipeline_ranks = layout.pipeline;
    config.parallel.schedule = layout.schedule;
    train(config, layout.ranks);
    expect_same_numbers(checkpoint(one, 4), checkpoint(config, 4));
  }
  RunConfig plain = one;
  plain.run.out = (run_.dir() / "plain").string();
  plain.parallel.reduction = GradientReduction::kRankOrder;
  train(plain, 2);
  EXPECT_NE(bytes_of(checkpoint(one, 4) / "optimizer.safetensors"),
            bytes_of(checkpoint(plain, 4) / "optimizer.safetensors"))
      << "the order makes no difference here: nothing is tested";
}

// Counts are exact, so what is made of them alone stays one rank's over many steps.
TEST_F(RanksTest, TheRoutersBiasIsOneRanksAfterFiftySteps) {
  RunConfig one = f32_config(run_, "one"), four = f32_config(run_, "four");
  for (RunConfig* config : {&one, &four}) {
    config->train.steps = 50;
    config->train.checkpoint_every = 50;
    config->train.validation_every = 0;
    config->recipe.balance.bias_update_speed = 0.01;
    config->parallel.check_every = 10;  // its copies are compared too
  }
  four.parallel.expert_ranks = 2;
  four.parallel.pipeline_ranks = 2;
  four.parallel.wire = WireFormat::kF32;
  train(one, 1);
  train(four, 4);
  const auto file_of = [&](const RunConfig& config) {
    return value_or_throw(
        io::SafetensorsFile::open(checkpoint(config, 50) / "optimizer.safetensors"));
  };
  const io::SafetensorsFile a = file_of(one), b = file_of(four);
  int biases = 0;
  for (const io::StoredTensor& tensor : a.tensors()) {
    if (tensor.name.find("master.") != 0 ||
        tensor.name.find("e_score_correction_bias") == std::string::npos)
      continue;
    ++biases;
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, b.find(tensor.name)->bytes)) << tensor.name;
    EXPECT_TRUE(std::ranges::any_of(tensor.bytes, [](u8 byte) { return byte != 0; }))
        << tensor.name;
  }
  EXPECT_EQ(biases, 2);  // a layer's and the MTP module's
}

TEST_F(RanksTest, StopsTogetherAndGoesOnBitForBit) {
  RunConfig whole = f32_config(run_, "whole"), parts = f32_config(run_, "parts");
  train(whole, 2);
  const Told stopped = train(parts, 2, {}, /*stop_after=*/2);
  EXPECT_EQ(stopped.result.step, 2);
  EXPECT_FALSE(stopped.result.finished);
  EXPECT_EQ(train(parts, 2).result.resumed_step, 2);
  expect_same_numbers(checkpoint(whole, 4), checkpoint(parts, 4));
}

// The start may take ranks unequally long; from the first step on the run file's deadline counts.
TEST_F(RanksTest, ARankThatStaysAwayFromAStepIsNamedWithinTheDeadline) {
  RunConfig config = f32_config(run_, "late");
  config.parallel.deadline_s = 0.2;
  comm::ThreadsOptions options;
  options.job = {.deadline_s = 60, .debug = true, .hang_directory = run_.dir().path().string()};
  try {
    comm::run_ranks(2, options, [&](comm::Comm& world) {
      const OwnThreads threads(1);
      Ctx ctx = backend::make_context();
      TrainEvents events;
      const auto sleep = [] { std::this_thread::sleep_for(std::chrono::milliseconds(500)); };
      if (world.rank() == 0) {
        events.tokenize = [&, slept = false](const data::TokenizeProgress&) mutable {
          if (!std::exchange(slept, true)) sleep();
        };
      } else {
        events.stop_requested = [&] { return sleep(), false; };
      }
      fathom::train::train(ctx, {.config = config, .measure_peak = false, .world = &world}, events);
    });
    FAIL() << "nobody noticed";
  } catch (const comm::LostRanks& lost) {
    EXPECT_THAT(lost.message(),
                AllOf(HasSubstr("waited 0.2 s for rank 1"), HasSubstr("hang-0.json")));
  }
}

TEST_F(RanksTest, SaysAtTheStartHowRanksLieOnNodes) {
  RunConfig config = f32_config(run_, "nodes");
  config.train.steps = 3;
  config.parallel.expert_ranks = 4;
  EXPECT_THAT(train(config, 4).messages,
              HasSubstr("nodes of ranks 0-3; tokens go to their experts in one hop\n"));
  config.run.out += "-of-two";
  comm::ThreadsOptions options;
  options.job.ranks_per_node = 2;
  EXPECT_THAT(train(config, 4, {}, -1, options).messages,
              HasSubstr("nodes of ranks 0-1, 2-3; tokens go to their experts in two hops\n"));
}

TEST_F(RanksTest, ALayoutThatDoesNotFitIsRefused) {
  RunConfig config = f32_config(run_, "refused");
  config.parallel.expert_ranks = 3;
  try {
    train(config, 8);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(),
                AllOf(HasSubstr("parallel.expert_ranks: 3 does not divide the 8 ranks"),
                      HasSubstr("train.batch_sequences: found 4, expected at least one for each of "
                                "the 8 ranks")));
  }
}

}  // namespace
}  // namespace fathom::train
