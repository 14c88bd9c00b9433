// The acceptance that training reports is the one that speculative decoding with the written model
// would have: the inference pass drafts with its MTP module, and the main model names the tokens
// itself.
#include "backend/backend.h"
#include "checkpoint/flat_weights.h"
#include "model/test_support.h"
#include "model/training/training_test_support.h"
#include "testing/temp_dir.h"

namespace fathom::model {
namespace {

/// A model whose arg-max is one of a few tokens, so that drafts are sometimes right.
void favour_few_tokens(TrainingModel& model) {
  const auto head = model.layout().matrix(model.weights().data(), "lm_head.weight");
  for (i64 v = 0; v < head.dim(0); ++v) {
    for (i64 i = 0; i < head.dim(1); ++i) head(v, i) *= v < 3 ? 20.0f : 0.1f;
  }
}

TEST(DraftAcceptance, IsWhatSpeculativeDecodingWouldAccept) {
  Ctx ctx = backend::make_context();
  const ModelConfig config = small_v3();
  const i64 seq_len = 24;
  TrainingModel trained(ctx, config, f32_recipe(), /*micro_sequences=*/2, seq_len);
  randomise(ctx, trained);
  favour_few_tokens(trained);
  BatchData data(config, /*sequences=*/2, seq_len);
  trained.refresh_weights(ctx);
  StepStats stats(config);
  trained.forward_only(ctx, data.batch(), stats);

  const testing::TempDir directory;
  checkpoint::write_model_directory(ctx, config, trained.layout(), trained.weights(),
                                    (directory.path() / "model").string(), DType::kF32);
  const auto model = Model::load(ctx, (directory.path() / "model").string());
  i64 drafts = 0, accepted = 0;
  for (i64 s = 0; s < 2; ++s) {
    const std::span<const i32> tokens = {data.batch().tokens.row(s), static_cast<size_t>(seq_len)};
    KvCache cache(config, ops::CacheDType::kF32, seq_len, /*mtp_layers=*/1);
    Tensor<float> main = new_logits(*model, seq_len), module = new_logits(*model, seq_len - 1);
    Tensor<float> hidden({seq_len, config.hidden_size});
    const SequenceStep step{.token_ids = tokens, .cache = &cache, .logits = LogitRows::kAll};
    model->forward(ctx, {&step, 1}, kExact, main.v<2>(), hidden.v<2>());
    const MtpStep draft{.next_tokens = tokens.subspan(1), .cache = &cache};
    model->mtp_forward(ctx, {&draft, 1}, kExact, hidden.cv<2>().slice(0, 0, seq_len - 1),
                       module.v<2>());
    const auto named = [&](const Tensor<float>& logits, i64 row) {
      return argmax(
          {logits.data() + row * config.vocab_size, static_cast<size_t>(config.vocab_size)});
    };
    for (i64 i = 0; i + 1 < seq_len; ++i, ++drafts) {
      accepted += named(module, i) == named(main, i + 1) ? 1 : 0;
    }
  }
  EXPECT_EQ(stats.mtp_drafts[0], drafts);
  EXPECT_EQ(stats.mtp_accepted[0], accepted);
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, drafts);
}

}  // namespace
}  // namespace fathom::model
