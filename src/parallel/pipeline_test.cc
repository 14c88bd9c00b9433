// A step on any layout against the same step on one rank.
#include "parallel/pipeline.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parallel/stage_split.h"
#include "parallel/test_step.h"

namespace fathom::parallel {
namespace {

ModelConfig deep_v3() {
  ModelConfig config = testing::small_v3();
  config.num_hidden_layers = 7;
  config.num_nextn_predict_layers = 2;
  return config;
}

StepCase pipeline_case(int ranks, PipelineSchedule schedule) {
  StepCase c{.model = deep_v3(), .ranks = ranks};
  c.parallel.pipeline_ranks = ranks;
  c.parallel.schedule = schedule;
  c.parallel.pipeline_chunks = 2;  // counts for the interleaved one alone
  return c;
}

/// Sums in another order: losses to `tolerance`, gradients of every tensor to `gradients`.
void expect_near(const StepCase& c, const StepOutcome& a, const StepOutcome& b, double losses,
                 double gradients, const std::string& where) {
  EXPECT_NEAR(a.stats.nll, b.stats.nll, losses * b.stats.nll) << where;
  for (size_t k = 0; k < a.stats.mtp_nll.size(); ++k) {
    EXPECT_NEAR(a.stats.mtp_nll[k], b.stats.mtp_nll[k], losses * b.stats.mtp_nll[k]) << where;
  }
  EXPECT_NEAR(a.stats.balance_loss(), b.stats.balance_loss(), losses * b.stats.balance_loss())
      << where;
  EXPECT_NEAR(a.norm, b.norm, gradients * b.norm) << where;
  std::string worst;
  EXPECT_LE(largest_difference(c, a, b, worst), gradients) << where << ": " << worst;
}

// 1F1B, interleaved, ZB-H1 and DualPipeV add the gradients of micro-batches in their order, as one
// rank does.
TEST(PipelineTest, SchedulesOfOneWayGiveOneRanksBits) {
  const StepOutcome alone = run_step(pipeline_case(1, PipelineSchedule::k1F1B));
  EXPECT_GT(alone.norm, 0.0);
  for (const int ranks : {2, 4}) {
    for (const auto& [schedule, name] : kPipelineScheduleNames) {
      if (schedule == PipelineSchedule::kDualPipe) continue;
      for (const comm::ThreadsOptions& options : comm::testing::quiet_and_chaotic(/*seeds=*/1)) {
        expect_same_bits(run_step(pipeline_case(ranks, schedule), options), alone,
                         fmt::format("{} on {} ranks", name, ranks));
      }
    }
  }
}

// Its two ways add up halves of the step, whose sum rounds otherwise; the losses are the same.
TEST(PipelineTest, DualPipesTwoWaysAddUpToOneRanksGradients) {
  const StepOutcome alone = run_step(pipeline_case(1, PipelineSchedule::k1F1B));
  for (const int ranks : {2, 4}) {
    const StepCase c = pipeline_case(ranks, PipelineSchedule::kDualPipe);
    const StepOutcome quiet = run_step(c);
    expect_same_integers(quiet.stats, alone.stats);
    expect_near(c, quiet, alone, 1e-12, 1e-5, fmt::format("{} ranks", ranks));
    expect_same_bits(run_step(c, comm::testing::quiet_and_chaotic(2).back()), quiet, "chaos");
  }
}

// One tree of all micro-batches: every schedule, a DualPipe's two ways too, on 1, 2 and 4 ranks
// that share the batch.
TEST(PipelineTest, WithTreesEveryScheduleGivesOneRanksBits) {
  for (const bool qwen : {false, true}) {
    StepCase one = pipeline_case(1, PipelineSchedule::k1F1B);
    if (qwen) {
      one.model = value_or_throw(load_model_config(testing::golden_directory("qwen2")));
      one.model.num_hidden_layers = 3;
    }
    one.sequences = 16;
    one.parallel.reduction = GradientReduction::kAnyLayout;
    const StepOutcome alone = run_step(one);
    for (const auto& [schedule, name] : kPipelineScheduleNames) {
      for (const int ranks : {2, 4, 8}) {
        if (qwen && ranks > 2) continue;
        StepCase c = one;
        c.ranks = ranks;
        c.parallel.pipeline_ranks = ranks == 8 ? 4 : 2;
        c.parallel.schedule = schedule;
        const StepOutcome outcome = run_step(c);
        expect_same_integers(outcome.stats, alone.stats);
        EXPECT_TRUE(outcome.gradients == alone.gradients) << name << " on " << ranks << " ranks";
        EXPECT_EQ(outcome.norm, alone.norm) << name << " on " << ranks << " ranks";
      }
    }
  }
}

// A forward and a backward pass of two micro-batches at once change no bit.
TEST(PipelineTest, OverlappedPairsGiveTheBitsOfPairsApart) {
  for (const PipelineSchedule schedule :
       {PipelineSchedule::kDualPipe, PipelineSchedule::kDualPipeV}) {
    StepCase c = pipeline_case(4, schedule);
    c.parallel = {.pipeline_ranks = 2, .schedule = schedule, .expert_ranks = 2};
    c.sequences = 16;
    c.parallel.overlap = false;
    const StepOutcome apart = run_step(c);
    c.parallel.overlap = true;
    for (const comm::ThreadsOptions& options : comm::testing::quiet_and_chaotic(2)) {
      expect_same_bits(run_step(c, options), apart, "overlapped");
    }
  }
}

TEST(PipelineTest, RecomputationOffAndFp8TooGiveOneRanksBits) {
  for (const TrainPrecision mode : {TrainPrecision::kF32, TrainPrecision::kFp8}) {
    StepCase c = pipeline_case(2, PipelineSchedule::kZbH1);
    c.recipe.precision.mode = mode;
    c.recipe = model::with_recompute(c.recipe, false, false, false);
    StepCase one = c;
    one.ranks = 1;
    one.parallel = {};
    expect_same_bits(run_step(c), run_step(one), "zb-h1");
  }
}

struct Layout {
  int ranks;
  i64 pipeline, expert;
  PipelineSchedule schedule = PipelineSchedule::k1F1B;
};

constexpr Layout kLayouts[] = {{2, 1, 1},
                               {2, 1, 2},
                               {4, 1, 4},
                               {8, 1, 8},
                               {4, 1, 2},
                               {4, 2, 2},
                               {4, 2, 1, PipelineSchedule::kDualPipe},
                               {8, 2, 4, PipelineSchedule::kDualPipeV},
                               {4, 2, 2, PipelineSchedule::kInterleaved},
                               {8, 4, 2, PipelineSchedule::kZbH1}};

StepCase on_layout(StepCase c, const Layout& layout) {
  c.ranks = layout.ranks;
  c.parallel.pipeline_ranks = layout.pipeline;
  c.parallel.expert_ranks = layout.expert;
  c.parallel.schedule = layout.schedule;
  c.parallel.pipeline_chunks = 2;
  c.parallel.wire = WireFormat::kF32;
  c.parallel.round_tokens = 5;
  return c;
}

std::string name_of(const Layout& layout) {
  return fmt::format("{} ranks, pipeline {}, experts {}", layout.ranks, layout.pipeline,
                     layout.expert);
}

TEST(LayoutsTest, EveryLayoutGivesOneRanksLossesAndGradients) {
  StepCase c{.model = deep_v3(), .sequences = 16};
  c.recipe.balance.batch_aux_loss_weight = 1e-3;
  const StepOutcome alone = run_step(c);
  EXPECT_GT(alone.stats.balance_loss(), 0.0);
  for (const Layout& layout : kLayouts) {
    const StepOutcome outcome = run_step(on_layout(c, layout));
    expect_same_integers(outcome.stats, alone.stats);
    expect_near(c, outcome, alone, 1e-6, 1e-5, name_of(layout));
  }
}

TEST(LayoutsTest, NarrowWiresStayNear) {
  StepCase c{.model = deep_v3()};
  const StepOutcome alone = run_step(c);
  c = on_layout(c, {4, 2, 2});
  for (const auto& [wire, bound] : {std::pair(WireFormat::kBf16, 1e-3), {WireFormat::kFp8, 1e-2}}) {
    c.parallel.wire = wire;
    const StepOutcome outcome = run_step(c);
    EXPECT_NEAR(outcome.stats.nll, alone.stats.nll, bound * alone.stats.nll);
    EXPECT_NE(outcome.stats.nll, alone.stats.nll);
    EXPECT_GT(model::cosine(outcome.gradients, alone.gradients), 1.0 - 10.0 * bound);
  }
}

// The tokens of all ranks lie in one product, in the order that one rank has them in.
TEST(LayoutsTest, ExpertGradientsAreThoseOfOneRankWithAllTokens) {
  StepCase one{.model = testing::small_v3(), .sequences = 4, .micro = 4};
  StepCase four = on_layout(one, {4, 1, 4});
  four.micro = 1;
  const StepOutcome a = run_step(one), b = run_step(four);
  const checkpoint::ParameterLayout layout(one.model);
  for (const checkpoint::ParameterSlot& slot : layout.slots()) {
    if (slot.parameter.expert < 0) continue;
    const auto x = model::part_of(a.gradients, slot), y = model::part_of(b.gradients, slot);
    EXPECT_TRUE(std::ranges::equal(x, y)) << slot.parameter.name;
  }
}

TEST(LayoutsTest, RanksWithoutTokensAndExpertsWithAllOfThem) {
  // Three sequences on four ranks: one has none. 7 experts on 4 ranks; then every token on expert
  // 0.
  StepCase c{.model = testing::small_v3(), .sequences = 3};
  c.model.n_routed_experts = 7;
  c.model.n_group = c.model.topk_group = 1;
  for (const float bias : {0.0f, 100.0f}) {
    c.bias_of_expert_0 = bias;
    const StepOutcome alone = run_step(c);
    if (bias > 0.0f) {
      EXPECT_EQ(alone.stats.expert_counts[0][0], 3 * c.seq_len);
    }
    const StepOutcome four = run_step(on_layout(c, {4, 1, 4}));
    expect_same_integers(four.stats, alone.stats);
    expect_near(c, four, alone, 1e-6, 1e-5, "7 experts on 4 ranks");
  }
  c.sequences = c.seq_len = 1;  // one token in the whole job
  expect_near(c, run_step(on_layout(c, {4, 1, 4})), run_step(c), 1e-6, 1e-5, "one token");
}

// Ranks, stages, experts, sequences, tokens and rounds of which none divides another.
TEST(LayoutsTest, SizesThatDivideNothing) {
  StepCase c{.model = deep_v3(), .sequences = 7, .seq_len = 11, .micro = 2};
  c.model.n_routed_experts = 7;
  c.model.n_group = c.model.topk_group = 1;
  c.recipe.balance.batch_aux_loss_weight = 1e-3;
  const StepOutcome alone = run_step(c);
  for (const Layout& layout :
       {Layout{3, 1, 3}, {6, 2, 3}, {5, 1, 5}, {3, 3, 1, PipelineSchedule::kDualPipeV}}) {
    StepCase many = on_layout(c, layout);
    if (layout.schedule == PipelineSchedule::kDualPipeV) many.micro = 1;  // it wants six of them
    const StepOutcome outcome = run_step(many);
    expect_same_integers(outcome.stats, alone.stats);
    expect_near(c, outcome, alone, 1e-6, 1e-5, name_of(layout));
  }
}

// The norm of the same gradients is the same number to the bit, however they are dealt out.
TEST(LayoutsTest, EqualGradientsHaveEqualNorms) {
  StepCase c{.model = deep_v3(), .sequences = 16};
  std::mutex mutex;
  std::vector<double> norms;
  c.inspect = [&](comm::Comm& world, Ranks& ranks, model::TrainingModel& model) {
    const Philox rng(8, 1);
    for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
      for (i64 i = 0; i < slot.parameter.elements(); ++i) {
        model.gradients()[static_cast<size_t>(slot.offset + i)] =
            static_cast<float>(rng.normal(static_cast<u64>(slot.model_offset + i)));
      }
    }
    Ctx ctx = backend::make_context();
    const double norm = gradient_norm(ctx, world, ranks.shards(model.layout()), model.gradients());
    const std::lock_guard lock(mutex);
    norms.push_back(norm);
  };
  run_step(c);
  for (const Layout& layout : kLayouts) run_step(on_layout(c, layout));
  for (const double norm : norms) EXPECT_EQ(norm, norms.front());
  EXPECT_GT(norms.front(), 1.0);
}

TEST(LayoutsTest, TooManyTokensOnARankAreRefusedOnAllByName) {
  StepCase c{.model = testing::small_v3(), .bias_of_expert_0 = 100.0f};
  c = on_layout(c, {4, 1, 4});
  c.parallel.expert_room = 1.0;
  try {
    run_step(c);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), ::testing::HasSubstr("token-expert pairs go to rank 0"));
  }
}

TEST(StageSplitTest, HeadAndMtpWeighOnTheLastStage) {
  const ModelConfig config = deep_v3();
  for (const i64 stages : {1, 2, 4, 8}) {
    const auto split = split_stages(config, stages);
    ASSERT_EQ(std::ssize(split), stages);
    i64 next = 0;
    for (const model::StageLayers& stage : split) {
      EXPECT_EQ(stage.first, next);
      EXPECT_EQ(stage.embedding, &stage == &split.front());
      EXPECT_EQ(stage.head, &stage == &split.back());
      next = stage.end();
    }
    EXPECT_EQ(next, config.num_hidden_layers);
    EXPECT_LE(split.back().count, split.front().count);
  }
  ModelConfig many_words = config, few_words = config;
  many_words.num_nextn_predict_layers = few_words.num_nextn_predict_layers = 0;
  many_words.vocab_size = 1000000;  // a head that is heavier than all layers
  few_words.vocab_size = 16;
  EXPECT_EQ(split_stages(many_words, 4).back().count, 0);
  EXPECT_GT(split_stages(few_words, 4).back().count, 0);
  many_words.tie_word_embeddings = true;  // the head's work is the same
  EXPECT_EQ(split_stages(many_words, 4).back().count, 0);
}

TEST(RankLayoutTest, WhatDoesNotFitIsNamed) {
  ParallelConfig config;
  config.pipeline_ranks = 2;
  config.schedule = PipelineSchedule::kDualPipe;
  config.expert_ranks = 3;
  const auto problems = layout_problems(config, 8, deep_v3(), 12, 1);
  EXPECT_THAT(problems,
              ::testing::ElementsAre(
                  "parallel.expert_ranks: 3 does not divide the 4 ranks that share the batch",
                  "parallel.schedule: micro-batches: found 3, expected an even number"));
  EXPECT_THAT(
      layout_problems(config, 5, deep_v3(), 12, 1),
      ::testing::ElementsAre("parallel.pipeline_ranks: 2 does not divide the job's 5 ranks"));
  config = {.pipeline_ranks = 2, .schedule = PipelineSchedule::kInterleaved, .pipeline_chunks = 5};
  EXPECT_THAT(layout_problems(config, 2, deep_v3(), 3, 1),
              ::testing::ElementsAre(
                  "parallel.pipeline_ranks: 10 stages for 7 layers and the head",
                  "parallel.schedule: micro-batches: found 3, expected a multiple of 2 ranks"));
}

}  // namespace
}  // namespace fathom::parallel
