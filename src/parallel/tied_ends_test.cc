// A model whose head is its embedding, in pipelines: both ends hold the matrix and add to its
// gradient.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "parallel/replica_check.h"
#include "parallel/test_step.h"

namespace fathom::parallel {
namespace {

constexpr const char* kEmbedding = "model.embed_tokens.weight";

ModelConfig tied_v3() {
  ModelConfig config = testing::small_v3();
  config.num_hidden_layers = 7;
  config.num_nextn_predict_layers = 2;
  config.tie_word_embeddings = true;
  return config;
}

StepCase tied_case(int ranks, i64 pipeline, PipelineSchedule schedule) {
  StepCase c{.model = tied_v3(), .ranks = ranks, .sequences = 16};
  c.parallel = {.pipeline_ranks = pipeline, .schedule = schedule, .pipeline_chunks = 2};
  return c;
}

// The head's part and the lookup's of every micro-batch are added in another order than on one
// rank: to 1e-5. All other tensors keep its bits in pipelines of one way, and so do the losses.
TEST(TiedEndsTest, EverySchedulesGradientIsOneRanks) {
  const StepCase one = tied_case(1, 1, PipelineSchedule::k1F1B);
  const StepOutcome alone = run_step(one);
  const checkpoint::ParameterLayout layout(one.model);
  const checkpoint::ParameterSlot& embedding = *layout.find(kEmbedding);
  for (const auto& [schedule, name] : kPipelineScheduleNames) {
    for (const auto& [ranks, pipeline] : {std::pair{2, 2}, {4, 4}, {4, 2}}) {
      const StepCase c = tied_case(ranks, pipeline, schedule);
      const std::string where = fmt::format("{} on {} ranks", name, ranks);
      StepOutcome outcome = run_step(c, comm::testing::quiet_and_chaotic(1).back());
      expect_same_integers(outcome.stats, alone.stats);
      std::string worst;
      EXPECT_LE(largest_difference(c, outcome, alone, worst), 1e-5) << where << ": " << worst;
      EXPECT_NEAR(outcome.norm, alone.norm, 1e-6 * alone.norm) << where;
      if (ranks != pipeline || schedule == PipelineSchedule::kDualPipe) continue;
      EXPECT_EQ(outcome.stats.nll, alone.stats.nll) << where;
      const auto begin = static_cast<size_t>(embedding.model_offset);
      const auto count = static_cast<size_t>(embedding.parameter.elements());
      std::copy_n(alone.gradients.begin() + embedding.model_offset, count,
                  outcome.gradients.begin() + static_cast<i64>(begin));
      EXPECT_TRUE(outcome.gradients == alone.gradients) << where;
    }
  }
}

// At the front it is looked up alone: packed for products only where the head is.
TEST(TiedEndsTest, TheMatrixIsPackedWhereTheHeadIs) {
  StepCase c = tied_case(2, 2, PipelineSchedule::k1F1B);
  ModelConfig untied = c.model;
  untied.tie_word_embeddings = false;
  c.inspect = [&](comm::Comm&, Ranks& ranks, model::TrainingModel& model) {
    Ctx ctx = backend::make_context();
    const auto row = [&](const ModelConfig& config, std::string_view what) {
      const auto memory =
          model::training_memory(ctx, config, c.recipe, c.micro, c.seq_len, ranks.part());
      return std::ranges::find(memory.rows, what, &model::TrainingMemory::Row::what)->bytes;
    };
    EXPECT_GT(row(c.model, "packed weights"), 0);
    EXPECT_EQ(row(c.model, "packed weights"), row(untied, "packed weights"));
    EXPECT_EQ(model.stages().front().embedding, !ranks.part().has_tied_head(c.model));
  };
  run_step(c);
}

// Every number of the model has one owner, whoever holds copies, and the copies are compared.
TEST(TiedEndsTest, TheMatrixHasOneOwnerABlockAndItsCopiesAreCompared) {
  StepCase c = tied_case(4, 2, PipelineSchedule::k1F1B);
  i64 elements = 0;
  std::mutex mutex;
  c.inspect = [&](comm::Comm& world, Ranks& ranks, model::TrainingModel& model) {
    const Shards shards = ranks.shards(model.layout());
    ASSERT_NE(model.layout().find(kEmbedding), nullptr);
    {
      const std::lock_guard lock(mutex);
      elements += shards.own_elements();
    }
    const auto difference = [&] {
      return ranks.first_message(replica_difference(ranks.groups(), shards, model.weights()));
    };
    EXPECT_EQ(difference(), "");
    if (world.rank() == 3) {  // of the last stage
      float& number = model.weights()[static_cast<size_t>(model.layout().find(kEmbedding)->offset)];
      u32 bits = 0;
      std::memcpy(&bits, &number, sizeof bits);
      bits ^= 1;
      std::memcpy(&number, &bits, sizeof bits);
    }
    EXPECT_EQ(difference(), fmt::format("rank 0: {}: the copy of rank 3 differs from those of the "
                                        "others",
                                        kEmbedding));
  };
  run_step(c);
  EXPECT_EQ(elements, checkpoint::ParameterLayout(c.model).size());
}

TEST(TiedEndsTest, SumsAsOneTreeAreRefusedInAPipeline) {
  ParallelConfig config{.pipeline_ranks = 2, .reduction = GradientReduction::kAnyLayout};
  EXPECT_EQ(layout_problems(config, 2, tied_v3(), 8, 1),
            std::vector<std::string>{
                "parallel.reduction: any-layout wants parallel.pipeline_ranks = 1 of a model whose "
                "head is its embedding (tie_word_embeddings), found 2: both ends add to one "
                "gradient"});
  config.pipeline_ranks = 1;
  EXPECT_TRUE(layout_problems(config, 2, tied_v3(), 8, 1).empty());
}

}  // namespace
}  // namespace fathom::parallel
