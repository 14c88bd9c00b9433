// Checkpoints say nothing of the layout that wrote them.
#include "parallel/ranks.h"
#include "train/checkpoint/checkpoint.h"
#include "train/optimizer.h"
#include "train/ranks/test_ranks.h"
#include "train/run/setup.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

using RanksCheckpointTest = RanksTest;

/// Reads the checkpoint on `ranks` ranks, each what it holds, and writes it again from there.
void read_and_write(const RunConfig& config, int ranks, const ParallelConfig& parallel,
                    const fs::path& from, const fs::path& to) {
  const RunSetup setup = value_or_throw(load_run_setup(config));
  comm::run_ranks(ranks, {}, [&](comm::Comm& world) {
    const OwnThreads threads(1);
    Ctx ctx = backend::make_context();
    parallel::Ranks place(world, parallel, setup.model, /*max_tokens=*/1);
    const checkpoint::ParameterLayout layout(
        setup.model,
        [&, part = place.part()](const Parameter& p) { return part.holds(setup.model, p); });
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

struct CheckpointLayout {
  int ranks;
  ParallelConfig parallel;

  std::string name() const {
    return fmt::format("{}-p{}-{}-e{}", ranks, parallel.pipeline_ranks,
                       static_cast<int>(parallel.schedule), parallel.expert_ranks);
  }
};

/// Data alone, experts, each kind of pipeline, all of them.
std::vector<CheckpointLayout> checkpoint_layouts() {
  using enum PipelineSchedule;
  return {{2, {}},
          {3, {.expert_ranks = 3}},
          {2, {.pipeline_ranks = 2, .schedule = kZbH1}},
          {4, {.pipeline_ranks = 2, .schedule = kDualPipe}},
          {1, {}},
          {4, {.pipeline_ranks = 2, .schedule = kDualPipeV, .expert_ranks = 2}},
          {4, {.pipeline_ranks = 4, .schedule = kInterleaved, .pipeline_chunks = 2}},
          {4, {.expert_ranks = 4}}};
}

/// Enough layers for eight stages. `tied`: the head is the embedding.
RunConfig deep_config(const TinyRun& run, const std::string& out, bool tied) {
  RunConfig config = f32_config(run, out);
  std::string model = kTinyModel;
  const auto change = [&](std::string_view from, std::string_view to) {
    model.replace(model.find(from), from.size(), to);
  };
  change("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 7");
  if (tied) change("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
  run.dir().write("deep.json", model);
  config.model.config = (run.dir() / "deep.json").string();
  config.train.batch_sequences = 8;
  config.train.steps = 2;
  return config;
}

TEST_F(RanksCheckpointTest, EveryLayoutReadsEveryLayoutsCheckpointBitForBit) {
  for (const bool tied : {false, true}) {
    const RunConfig config = deep_config(run_, tied ? "tied" : "run", tied);
    train(config, 1);
    const fs::path first = checkpoint(config, 2);
    fs::path before = first;
    for (const CheckpointLayout& layout : checkpoint_layouts()) {
      const fs::path after = run_.dir() / fmt::format("{}-{}", tied, layout.name());
      read_and_write(config, layout.ranks, layout.parallel, before, after);
      expect_same_numbers(first, after);
      before = after;
    }
  }
}

// A run whose every step is on another layout than the one before, each read from its checkpoint.
TEST_F(RanksCheckpointTest, ARunThatMovesFromLayoutToLayoutStaysOnOneRanksCourse) {
  for (const bool tied : {false, true}) {
    RunConfig one = deep_config(run_, fmt::format("one-{}", tied), tied);
    RunConfig moving = deep_config(run_, fmt::format("moving-{}", tied), tied);
    one.train.steps = moving.train.steps = std::ssize(checkpoint_layouts());
    const Told alone = train(one, 1);
    Told together;
    for (const CheckpointLayout& layout : checkpoint_layouts()) {
      moving.parallel = layout.parallel;
      moving.parallel.wire = WireFormat::kF32;
      moving.parallel.check_every = 1;
      const Told part = train(moving, layout.ranks, {}, /*stop_after=*/1);
      ASSERT_EQ(part.steps.size(), 1u) << layout.name();
      together.steps.push_back(part.steps.front());
    }
    expect_same_course(alone, together, 1e-5);
  }
}

}  // namespace
}  // namespace fathom::train
