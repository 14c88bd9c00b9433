// What a plan says that ranks hold, against ranks that hold it.
#include "plan/memory/rank_memory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "model/training/memory/training_memory.h"
#include "parallel/replica_check.h"
#include "parallel/stage_split.h"
#include "parallel/test_step.h"
#include "plan/schedule/playback.h"

namespace fathom::parallel {
namespace {

ModelConfig planned_v3() {
  ModelConfig config = testing::small_v3();
  config.num_hidden_layers = 7;
  return config;
}

std::vector<plan::Stage> stages_of(const ModelConfig& config, i64 stages) {
  std::vector<plan::Stage> result;
  for (const model::StageLayers& layers : split_stages(config, stages)) {
    plan::Stage stage{.embedding = layers.embedding, .head = layers.head};
    for (i64 layer = layers.first; layer < layers.end(); ++layer) stage.layers.push_back(layer);
    result.push_back(std::move(stage));
  }
  return result;
}

/// Elements of the tensors that a rank holds, without what pads them.
double held(const checkpoint::ParameterLayout& layout, bool experts) {
  i64 sum = 0;
  for (const checkpoint::ParameterSlot& slot : layout.slots()) {
    if ((slot.parameter.expert >= 0) == experts) sum += slot.parameter.elements();
  }
  return static_cast<double>(sum);
}

TEST(RankMemoryTest, OfFourRanksIsWhatTheyAllocate) {
  for (const auto& [schedule, name] : kPipelineScheduleNames) {
    StepCase c{.model = planned_v3(), .ranks = 4, .sequences = 16};
    c.model.tie_word_embeddings = schedule != PipelineSchedule::kZbH1;
    c.parallel = {
        .pipeline_ranks = 2, .schedule = schedule, .pipeline_chunks = 2, .expert_ranks = 2};
    const RankLayout ranks_layout = rank_layout(c.parallel, 4);
    plan::Layout layout{.gpus = 4, .pipeline_ranks = 2, .expert_ranks = 2};
    layout.schedule = ranks_layout.schedule;
    layout.chunks_per_rank = ranks_layout.chunks;
    const plan::Schedule list = ranks_layout.schedule_of(c.sequences / 2 / c.micro);
    EXPECT_EQ(layout.make_lists(c.sequences / 2 / c.micro).ops, list.ops) << name;
    const auto stages = stages_of(c.model, list.stages);
    const plan::ModelCounts counts = plan::model_counts(c.model);
    c.inspect = [&](comm::Comm& world, Ranks& ranks, model::TrainingModel& model) {
      const i64 place = ranks.layout().pipeline_rank(world.rank());
      const plan::RankParameters planned =
          plan::rank_parameters(c.model, counts, layout, list, stages, place);
      EXPECT_EQ(held(model.layout(), false), planned.dense) << name << ", rank " << world.rank();
      EXPECT_EQ(held(model.layout(), true), planned.expert) << name << ", rank " << world.rank();
      double alive = 0.0;
      for (i64 chunk = 0; chunk < list.chunks_per_rank(); ++chunk) {
        alive += static_cast<double>(model.slots_made(chunk));
      }
      // A plan counts chunks whose gradients come; weight work that waits holds its chunk longer.
      const i64 pending = plan::peak_pending_weights(list, place);
      EXPECT_GE(alive, plan::peak_alive(list, place)) << name << ", rank " << world.rank();
      EXPECT_LE(alive, plan::peak_alive(list, place) + 1.0 + static_cast<double>(pending))
          << name << ", rank " << world.rank();
      if (pending == 0 && list.chunks_per_rank() == 1) {
        EXPECT_EQ(alive, plan::peak_alive(list, place));
      }
      Pipeline pipeline(ranks.groups(), model, /*overlap=*/false);
      const std::vector<i64> slots = pipeline.slots(list.micro_batches);
      for (i64 chunk = 0; chunk < list.chunks_per_rank(); ++chunk) {
        EXPECT_EQ(model.slots_made(chunk), slots[static_cast<size_t>(chunk)]);
      }
      // What is announced is what is there, but for scratch and the arenas of waiting work.
      Ctx ctx = backend::make_context();
      const model::TrainingMemory memory =
          model::training_memory(ctx, c.model, c.recipe, c.micro, c.seq_len, ranks.part(), slots);
      const i64 announced = memory.total() - memory.rows.back().bytes;
      EXPECT_GE(model.allocated_bytes(), announced);
      if (pending == 0) {
        EXPECT_EQ(model.allocated_bytes(), announced);
      }
    };
    run_step(c);
  }
}

TEST(ReplicaCheckTest, ABitThatFlippedIsNamedWithItsRank) {
  StepCase c{.model = testing::small_v3(), .ranks = 4};
  c.parallel.expert_ranks = 2;
  struct Fault {
    const char* tensor;
    int rank;
  };
  constexpr const char* kGate = "model.layers.1.mlp.gate.weight";
  for (const auto& [flipped, bad] :
       {Fault{"", 3}, {kGate, 3}, {kGate, 0}, {"model.layers.2.mlp.experts.6.up_proj.weight", 3}}) {
    c.inspect = [&, flipped = flipped, bad = bad](comm::Comm& world, Ranks& ranks,
                                                  model::TrainingModel& model) {
      const Shards shards = ranks.shards(model.layout());
      const checkpoint::ParameterSlot* slot = model.layout().find(flipped);
      if (world.rank() == bad && slot != nullptr) {
        u32 bits = 0;
        std::memcpy(&bits, &model.weights()[static_cast<size_t>(slot->offset)], sizeof bits);
        bits ^= 1;
        std::memcpy(&model.weights()[static_cast<size_t>(slot->offset)], &bits, sizeof bits);
      }
      const std::string found =
          ranks.first_message(replica_difference(ranks.groups(), shards, model.weights()));
      if (*flipped == 0) {
        EXPECT_EQ(found, "");
      } else {
        EXPECT_NE(found.find(flipped), std::string::npos) << found;
        // Of two copies of an expert nobody knows which is right; of four dense ones three agree.
        EXPECT_NE(found.find(fmt::format("copy of rank {} differs", bad)), std::string::npos)
            << found;
      }
    };
    run_step(c);
  }
}

}  // namespace
}  // namespace fathom::parallel
