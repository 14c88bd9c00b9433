#pragma once
// For this module's tests: one training step on any layout, and its gradients as the whole model's.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>

#include "backend/backend.h"
#include "base/parallel.h"
#include "comm/test_chaos.h"
#include "model/training/memory/training_memory.h"
#include "model/training/training_test_support.h"
#include "parallel/block_exchange.h"
#include "parallel/pipeline.h"
#include "parallel/ranks.h"

namespace fathom::parallel {

struct StepCase {
  ModelConfig model;
  TrainingRecipe recipe = fathom::model::f32_recipe();
  ParallelConfig parallel = {};
  int ranks = 1;
  i64 sequences = 8;  // of the whole batch
  i64 seq_len = 12;
  i64 micro = 1;
  float bias_of_expert_0 = 0.0f;  // added: large, and every token chooses it
  /// Behind the step, on every rank.
  std::function<void(comm::Comm&, Ranks&, fathom::model::TrainingModel&)> inspect = {};
};

struct StepOutcome {
  fathom::model::StepStats stats;
  std::vector<float> gradients;  // of the whole model, in its layout
  double norm = 0.0;
};

/// Weights that depend on a tensor's place in the whole model alone.
inline void fill_weights(Ctx& ctx, const StepCase& c, fathom::model::TrainingModel& model) {
  model.initialise(ctx, 0.15, /*seed=*/3);
  const Philox rng(5, 11);
  for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
    float* values = model.weights().data() + slot.offset;
    for (i64 i = 0; i < slot.parameter.elements(); ++i) {
      const double draw = rng.normal(static_cast<u64>(slot.model_offset + i));
      if (slot.parameter.kind == ParameterKind::kNorm) {
        values[i] = 1.0f + static_cast<float>(0.1 * draw);
      } else if (slot.parameter.kind == ParameterKind::kRouterBias) {
        values[i] = static_cast<float>(0.05 * draw) + (i == 0 ? c.bias_of_expert_0 : 0.0f);
      }
    }
  }
}

/// What one rank does of the step; its own blocks into `outcome`, which all ranks share.
inline void run_rank(comm::Comm& world, const StepCase& c, const fathom::model::BatchData& data,
                     std::mutex& mutex, StepOutcome& outcome) {
  const OwnThreads threads(1);
  Ctx ctx = backend::make_context();
  Ranks ranks(world, c.parallel, c.model, c.micro * c.seq_len);
  fathom::model::TrainingModel model(ctx, c.model, c.recipe, c.micro, c.seq_len, ranks.part());
  fill_weights(ctx, c, model);
  const Shards shards = ranks.shards(model.layout());
  Pipeline pipeline(ranks.groups(), model, c.parallel.overlap);

  const i64 sharers = ranks.layout().data(), place = ranks.data_rank();
  const i64 begin = c.sequences * place / sharers, end = c.sequences * (place + 1) / sharers;
  const auto ceil = [](i64 a, i64 b) { return (a + b - 1) / b; };
  MicroBatches micro{.count = ranks.batches_to_run(ceil(ceil(c.sequences, sharers), c.micro),
                                                   ceil(end - begin, c.micro)),
                     .batch = [&](i64 i) {
                       const i64 first = std::min(begin + i * c.micro, end);
                       return data.batch(first, std::min(c.micro, end - first));
                     }};
  std::optional<GradientTrees> trees;
  if (c.parallel.reduction == GradientReduction::kAnyLayout) {
    trees.emplace(c.model, model.layout(), ranks.part().stages);
    micro.trees = &*trees;
  }
  const fathom::model::LossScale scale{.targets = static_cast<double>(data.count_targets()),
                                       .sequences = static_cast<double>(c.sequences),
                                       .mtp_weight = 0.3};
  fathom::model::StepStats stats(c.model);
  model.begin_step(ctx);
  if (model.needs_counting_pass()) {
    pipeline.forward(ctx, micro, nullptr);
    ranks.groups().holders().all_reduce_i64(model.counted(), comm::Reduce::kSum);
    model.counted().back() = c.sequences;
  }
  pipeline.step(ctx, micro, scale, stats);
  const auto memory =  // as announced before the run
      fathom::model::training_memory(ctx, c.model, c.recipe, c.micro, c.seq_len, ranks.part());
  const auto scratch = std::ranges::find(memory.rows, fathom::model::kScratchRow,
                                         &fathom::model::TrainingMemory::Row::what);
  EXPECT_LE(ctx.workspace().high_water_bytes(), scratch->bytes);
  sum_stats(world, stats);
  OwnerExchange(ranks.groups(), shards).sum_to_owners(ctx, model.gradients(), c.parallel.reduction);
  const double norm = gradient_norm(ctx, world, shards, model.gradients());
  if (c.inspect) c.inspect(world, ranks, model);

  const std::lock_guard lock(mutex);
  for (const ShardBlock& block : shards.own_blocks()) {
    std::copy_n(model.gradients().begin() + block.begin, block.count,
                outcome.gradients.begin() + block.model_offset);
  }
  if (world.rank() == 0) {
    outcome.stats = stats;
    outcome.norm = norm;
  }
}

inline StepOutcome run_step(const StepCase& c, const comm::ThreadsOptions& options = {}) {
  const fathom::model::BatchData data(c.model, c.sequences, c.seq_len);
  const checkpoint::ParameterLayout layout(c.model);
  StepOutcome outcome{.stats = fathom::model::StepStats(c.model),
                      .gradients = std::vector<float>(static_cast<size_t>(layout.size()))};
  std::mutex mutex;
  comm::ThreadsOptions without_reports = options;
  without_reports.job.hang_directory = "";
  comm::run_ranks(c.ranks, without_reports,
                  [&](comm::Comm& world) { run_rank(world, c, data, mutex, outcome); });
  return outcome;
}

/// The largest |a - b| / max |b| of any tensor, with its name in `worst`.
inline double largest_difference(const StepCase& c, const StepOutcome& a, const StepOutcome& b,
                                 std::string& worst) {
  double largest = 0.0;
  const checkpoint::ParameterLayout layout(c.model);
  for (const checkpoint::ParameterSlot& slot : layout.slots()) {
    const auto x = fathom::model::part_of(a.gradients, slot);
    const auto y = fathom::model::part_of(b.gradients, slot);
    double difference = 0.0, size = 0.0;
    for (size_t i = 0; i < x.size(); ++i) {
      difference =
          std::max(difference, std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i])));
      size = std::max(size, std::abs(static_cast<double>(y[i])));
    }
    const double relative = size == 0.0 ? difference : difference / size;
    if (relative > largest) worst = slot.parameter.name;
    largest = std::max(largest, relative);
  }
  return largest;
}

inline void expect_same_integers(const fathom::model::StepStats& a,
                                 const fathom::model::StepStats& b) {
  EXPECT_EQ(a.targets, b.targets);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.dropped, b.dropped);
  EXPECT_EQ(a.mtp_targets, b.mtp_targets);
  EXPECT_EQ(a.expert_counts, b.expert_counts);
}

inline void expect_same_bits(const StepOutcome& a, const StepOutcome& b, const std::string& where) {
  expect_same_integers(a.stats, b.stats);
  EXPECT_EQ(a.stats.nll, b.stats.nll) << where;
  EXPECT_EQ(a.stats.mtp_nll, b.stats.mtp_nll) << where;
  EXPECT_EQ(a.stats.mtp_accepted, b.stats.mtp_accepted) << where;
  EXPECT_EQ(a.stats.balance_losses, b.stats.balance_losses) << where;
  EXPECT_EQ(a.norm, b.norm) << where;
  EXPECT_TRUE(a.gradients == b.gradients) << where;
}

}  // namespace fathom::parallel
