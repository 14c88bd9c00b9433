// A run on several ranks, held against the same run on one.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "backend/backend.h"
#include "base/parallel.h"
#include "comm/threads/run_ranks.h"
#include "parallel/ranks.h"
#include "train/checkpoint/checkpoint.h"
#include "train/optimizer.h"
#include "train/run.h"
#include "train/run/setup.h"
#include "train/test_support.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// What rank 0 tells of a run.
struct Told {
  TrainResult result;
  std::vector<report::StepMetrics> steps;
  std::string messages;
};

class RanksTest : public ::testing::Test {
 protected:
  Told train(const RunConfig& config, int ranks, std::optional<u64> chaos = {},
             i64 stop_after = -1) {
    Told told;
    comm::ThreadsOptions options;
    options.job.deadline_s = 60;
    options.job.hang_directory = "";
    if (chaos) options.chaos = comm::Chaos{.seed = *chaos};
    comm::run_ranks(ranks, options, [&](comm::Comm& world) {
      const OwnThreads threads(1);
      Ctx ctx = backend::make_context();
      TrainEvents events;
      if (world.rank() == 0) {
        events.step = [&](const report::StepMetrics& m) { told.steps.push_back(m); };
        events.message = [&](log::Level, const std::string& m) { told.messages += m + "\n"; };
        events.stop_requested = [&] {
          return stop_after >= 0 && std::ssize(told.steps) >= stop_after;
        };
      }
      TrainResult result = fathom::train::train(
          ctx, {.config = config, .measure_peak = false, .world = &world}, events);
      if (world.rank() == 0) told.result = std::move(result);
    });
    return told;
  }
  static std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// Every file with numbers that two runs' checkpoints of a step have, byte by byte.
  static void expect_same_numbers(const fs::path& a, const fs::path& b) {
    for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
      EXPECT_TRUE(bytes_of(a / file) == bytes_of(b / file)) << file << " of " << a << " and " << b;
    }
  }
  static fs::path checkpoint(const RunConfig& config, i64 step) {
    return fs::path(config.run.out) / "checkpoints" / fmt::format("step-{:06}", step);
  }
  /// Integers equal, losses within `tolerance` of one another.
  static void expect_same_course(const Told& a, const Told& b, double tolerance) {
    ASSERT_EQ(a.steps.size(), b.steps.size());
    for (size_t i = 0; i < a.steps.size(); ++i) {
      const report::StepMetrics &x = a.steps[i], &y = b.steps[i];
      EXPECT_EQ(x.tokens, y.tokens);
      EXPECT_EQ(x.samples, y.samples);
      EXPECT_NEAR(x.loss, y.loss, tolerance * x.loss) << "step " << x.step;
      EXPECT_NEAR(x.grad_norm, y.grad_norm, 10.0 * tolerance * x.grad_norm) << "step " << x.step;
      EXPECT_NEAR(x.balance_loss, y.balance_loss, 10.0 * tolerance * x.balance_loss);
      ASSERT_EQ(x.load.size(), y.load.size());
    }
  }

  TinyRun run_;
};

/// In f32, where sums differ by their order alone.
RunConfig f32_config(const TinyRun& run, const std::string& out) {
  RunConfig config = run.config(out);
  config.recipe.precision.mode = TrainPrecision::kF32;
  config.optimizer.ema_decay = 0.5;
  config.train.steps = 4;
  config.train.micro_batch_sequences = 1;
  return config;
}

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

/// Reads the checkpoint on `ranks` ranks, each what it holds, and writes it again from there.
void read_and_write(const RunConfig& config, int ranks, i64 expert_ranks, const fs::path& from,
                    const fs::path& to) {
  const RunSetup setup = value_or_throw(load_run_setup(config));
  ParallelConfig parallel;
  parallel.expert_ranks = expert_ranks;
  comm::run_ranks(ranks, {}, [&](comm::Comm& world) {
    const OwnThreads threads(1);
    Ctx ctx = backend::make_context();
    parallel::Ranks place(world, parallel, setup.model, /*max_tokens=*/1);
    const checkpoint::ParameterLayout layout(
        setup.model, [&, part = place.part()](const Parameter& p) { return part.holds(setup.model, p); });
    const parallel::Shards shards = place.shards(layout);
    Optimizer optimizer(shards, setup.config.optimizer);
    std::vector<float> weights(static_cast<size_t>(layout.size()));
    std::vector<StateArray> arrays = optimizer.state();
    read_checkpoint(ctx, setup.model, shards, from, arrays, weights);
    arrays.push_back({kMasterWeights, DType::kF32, reinterpret_cast<u8*>(weights.data()),
                      StateArray::kHeldBlocks});
    StateGather state(world, shards, arrays);
    if (world.rank() != 0) return state.serve();
    write_checkpoint(ctx,
                     {.config = setup.model,
                      .dtype = stored_dtype(config.model.dtype),
                      .tokenizer = config.model.tokenizer},
                     state, {}, to);
  });
}

TEST_F(RanksTest, EveryLayoutReadsEveryLayoutsCheckpointBitForBit) {
  struct Layout {
    int ranks;
    i64 expert_ranks;
  };
  RunConfig config = f32_config(run_, "run");
  config.train.steps = 2;
  train(config, 1);
  const fs::path first = checkpoint(config, 2);
  fs::path before = first;
  for (const Layout& layout : {Layout{2, 1}, {2, 2}, {3, 1}, {4, 2}, {4, 4}, {1, 1}, {3, 3}}) {
    const fs::path after = run_.dir() / fmt::format("{}-{}", layout.ranks, layout.expert_ranks);
    read_and_write(config, layout.ranks, layout.expert_ranks, before, after);
    expect_same_numbers(first, after);
    before = after;
  }
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
