// The output head works in chunks of tokens (head_chunk_tokens): several chunks and a remainder
// must be what one chunk is.
#include <gtest/gtest.h>

#include "backend/backend.h"
#include "model/training/layers/loss_head.h"
#include "model/training/training_test_support.h"
#include "testing/for_each_isa.h"

namespace fathom::model {
namespace {

TEST(LossChunks, SizesByVocabulary) {
  EXPECT_EQ(training::head_chunk_tokens(129'280, 4096), 128) << "at least 128";
  EXPECT_EQ(training::head_chunk_tokens(65'536, 4096), 128);
  EXPECT_EQ(training::head_chunk_tokens(32'768, 4096), 256);
  EXPECT_EQ(training::head_chunk_tokens(32'768, 100), 100) << "at most the tokens there are";
  EXPECT_EQ(training::head_chunk_tokens(32'769, 4096), 128) << "whole multiples of 128";
}

/// A model whose vocabulary is so large that a chunk is 128 tokens.
ModelConfig of_small_chunks(i64 max_position_embeddings) {
  ModelConfig config = small_v3();
  config.vocab_size = 65'536;
  config.hidden_size = 16;
  config.num_hidden_layers = 1;
  config.max_position_embeddings = max_position_embeddings;
  return config;
}

// 300 tokens of a vocabulary whose chunks are 128 tokens, against micro-batches of 100, which are
// one chunk each: the gradients, the losses and the drafts that the main model accepts.
TEST(LossChunks, TwoChunksAndARemainderAreOne) {
  const testing::ScopedThreads one(1);
  Ctx ctx = backend::make_context();
  const ModelConfig config = of_small_chunks(100);
  TrainingModel model(ctx, config, f32_recipe(), 3, 100);
  ASSERT_EQ(training::head_chunk_tokens(config.vocab_size, 300), 128);
  randomise(ctx, model);
  const BatchData data(config, 3, 100);
  const StepResult chunks = run_step(ctx, model, data);
  const StepResult whole = run_step(ctx, model, data, 0.3, /*micro=*/1);
  EXPECT_EQ(chunks.stats.targets, 300);
  EXPECT_NEAR(chunks.stats.nll, whole.stats.nll, 1e-6 * whole.stats.nll);
  EXPECT_NEAR(chunks.stats.mtp_nll[0], whole.stats.mtp_nll[0], 1e-6 * whole.stats.mtp_nll[0]);
  EXPECT_EQ(chunks.stats.mtp_drafts, whole.stats.mtp_drafts);
  EXPECT_EQ(chunks.stats.mtp_accepted, whole.stats.mtp_accepted);
  for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
    EXPECT_LE(norm_error(part_of(chunks.gradients, slot), part_of(whole.gradients, slot)), 2e-6)
        << slot.parameter.name;
  }
}

// Two equal sequences: the second one's last two tokens are a chunk of their own.
TEST(LossChunks, LogitsOfEveryChunk) {
  const testing::ScopedThreads one(1);
  Ctx ctx = backend::make_context();
  ModelConfig config = of_small_chunks(65);
  config.num_nextn_predict_layers = 0;
  TrainingModel model(ctx, config, f32_recipe(), 2, 65);
  randomise(ctx, model);
  model.refresh_weights(ctx);
  BatchData data(config, 2, 65);
  std::copy_n(data.tokens().begin(), 66, data.tokens().begin() + 66);
  testing::Tensor<float> logits({2 * 65, config.vocab_size});
  model.forward_logits(ctx, data.batch(), logits.v<2>());
  for (const i64 token : {0, 62, 63, 64}) {
    const float* first = logits.v<2>().row(token);
    const float* second = logits.v<2>().row(65 + token);
    EXPECT_TRUE(std::equal(first, first + config.vocab_size, second)) << token;
    EXPECT_NE(first[0], 0.0f);
  }
}

}  // namespace
}  // namespace fathom::model
