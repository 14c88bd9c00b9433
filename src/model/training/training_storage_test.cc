// What a training model takes, refuses, and writes.
#include <gmock/gmock.h>

#include "backend/backend.h"
#include "checkpoint/flat_weights.h"
#include "checkpoint/random_init.h"
#include "model/test_support.h"
#include "model/training/memory/training_memory.h"
#include "model/training/training_model.h"
#include "model/training/training_test_support.h"
#include "testing/temp_dir.h"

namespace fathom::model {
namespace {

using testing::TempDir;

TEST(TrainingModel, MemoryIsWhatIsAllocated) {
  const Ctx ctx = backend::make_context();
  for (const ModelConfig& config :
       {small_v3(), value_or_throw(load_model_config(golden_directory("llama"))),
        value_or_throw(load_model_config(golden_directory("qwen3_tied"))),
        value_or_throw(load_model_config(golden_directory("v2")))}) {
    for (int bits = 0; bits < 8; ++bits) {
      for (const TrainPrecision mode :
           {TrainPrecision::kF32, TrainPrecision::kBf16, TrainPrecision::kFp8}) {
        TrainingRecipe recipe =
            with_recompute({}, (bits & 1) == 0, (bits & 2) == 0, (bits & 4) == 0);
        recipe.precision.mode = mode;
        recipe.balance.capacity_factor = bits == 0 ? 0.0 : 1.0;
        const TrainingMemory memory = training_memory(ctx, config, recipe, 3, 32);
        const TrainingModel model(ctx, config, recipe, 3, 32);
        ASSERT_EQ(memory.rows.back().what, kScratchRow);
        EXPECT_EQ(memory.total() - memory.rows.back().bytes, model.allocated_bytes());
        EXPECT_GT(memory.activations(), 0);
      }
    }
  }
}

TEST(TrainingModel, ScratchIsBoundedFromSizesAlone) {
  ModelConfig tokens_decide = small_v3();
  tokens_decide.hidden_size = 96;
  tokens_decide.moe_intermediate_size = 64;
  ModelConfig vocab_decides = small_v3();
  vocab_decides.vocab_size = 8192;
  ModelConfig dense = small_v3();
  dense.intermediate_size = 1024;
  const ModelConfig llama = value_or_throw(load_model_config(golden_directory("llama")));
  const ModelConfig qwen = value_or_throw(load_model_config(golden_directory("qwen3_tied")));
  for (const ModelConfig& config : {tokens_decide, vocab_decides, dense, llama, qwen}) {
    for (const TrainPrecision mode :
         {TrainPrecision::kF32, TrainPrecision::kBf16, TrainPrecision::kFp8}) {
      TrainingRecipe recipe;
      recipe.precision.mode = mode;
      Ctx ctx = backend::make_context();
      TrainingModel model(ctx, config, recipe, 8, 64);
      randomise(ctx, model);
      const BatchData data(config, 8, 64);
      run_step(ctx, model, data);
      const i64 bound = training_memory(ctx, config, recipe, 8, 64).rows.back().bytes;
      EXPECT_LE(ctx.workspace().high_water_bytes(), bound);
      EXPECT_GE(ctx.workspace().high_water_bytes(), bound / 2);
      RecordProperty("used_of_bound",
                     std::to_string(static_cast<double>(ctx.workspace().high_water_bytes()) /
                                    static_cast<double>(bound)));
    }
  }
}

TEST(TrainingModel, RefusesWhatItCannotDo) {
  ModelConfig config = small_v3();
  const Ctx ctx = backend::make_context();
  TrainingRecipe recipe = f32_recipe();
  recipe.balance.capacity_factor = 1.0;
  recipe.balance.num_devices = 3;
  try {
    const TrainingModel refused(ctx, config, recipe, 1, 65);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.message(), ::testing::HasSubstr("num_devices 3 does not divide"));
    EXPECT_THAT(error.message(), ::testing::HasSubstr("max_position_embeddings is 64"));
  }
}

// The same numbers as `fathom init` writes, and a directory that the inference model loads.
TEST(TrainingModel, DirectoryThereAndBack) {
  Ctx ctx = backend::make_context();
  const ModelConfig config = small_v3();
  TrainingModel model(ctx, config, f32_recipe(), 1, 16);
  model.initialise(ctx, 0.02, 9);
  const TempDir dir;
  checkpoint::write_random_checkpoint(ctx, config, dir / "init",
                                      {.dtype = DType::kF32, .weight_std = 0.02, .seed = 9});
  std::vector<float> read(static_cast<size_t>(model.layout().size()));
  checkpoint::read_model_directory(ctx, config, model.layout(), dir / "init", read);
  EXPECT_TRUE(std::ranges::equal(read, model.weights()));

  randomise(ctx, model);
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF8E4M3}) {
    const std::string to = dir / std::string(dtype_name(dtype));
    checkpoint::write_model_directory(ctx, config, model.layout(), model.weights(), to, dtype);
    std::ranges::fill(read, -1.0f);
    checkpoint::read_model_directory(ctx, config, model.layout(), to, read);
    const double bound = dtype == DType::kF32 ? 0.0 : dtype == DType::kBF16 ? 0x1p-8 : 0x1p-4;
    for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
      EXPECT_LE(norm_error(part_of(read, slot), part_of(model.weights(), slot)), bound)
          << slot.parameter.name;
    }
    EXPECT_EQ(Model::load(ctx, to)->config().num_nextn_predict_layers, 1);
  }
  EXPECT_THROW(
      checkpoint::write_model_directory(ctx, config, model.layout(), model.weights(),
                                        dir / std::string(dtype_name(DType::kF32)), DType::kF32),
      Error);
}

}  // namespace
}  // namespace fathom::model
