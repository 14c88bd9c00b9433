// kAuto takes the form that is cheaper for the new tokens and the cached ones in sum.
#include <gtest/gtest.h>

#include "backend/backend.h"
#include "model/attention/mla.h"
#include "model/test_support.h"
#include "model/weights/random_weights.h"

namespace fathom::model {
namespace {

/// The last `tokens` logits of a text whose head was cached before.
Tensor<float> after_cached(Ctx& ctx, const Model& model, std::span<const i32> ids, i64 tokens,
                           MlaForm form) {
  KvCache cache(model.config(), ops::CacheDType::kF32, std::ssize(ids));
  const auto cached = ids.first(ids.size() - static_cast<size_t>(tokens));
  RunOptions options = kExact;
  options.mla_form = MlaForm::kAbsorbed;
  run(ctx, model, cached, cache, options);
  options.mla_form = form;
  return run(ctx, model, ids.last(static_cast<size_t>(tokens)), cache, options);
}

TEST(MlaFormAuto, CountsTheCachedTokens) {
  Ctx ctx = backend::make_context();
  const auto model = Model::random(ctx, ragged_v3(), {});
  const ModelConfig& config = model->config();
  const i64 context = 128;
  // So many that alone they would be expanded, and behind the cached ones are absorbed.
  i64 tokens = 1;
  while (tokens < context && cheaper_mla_form(config, tokens, tokens) != MlaForm::kExpanded) {
    ++tokens;
  }
  ASSERT_EQ(cheaper_mla_form(config, tokens, context), MlaForm::kAbsorbed);
  std::vector<i32> ids(static_cast<size_t>(context));
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<i32>(i * 37 % 300);
  const Tensor<float> automatic = after_cached(ctx, *model, ids, tokens, MlaForm::kAuto);
  const Tensor<float> absorbed = after_cached(ctx, *model, ids, tokens, MlaForm::kAbsorbed);
  const Tensor<float> expanded = after_cached(ctx, *model, ids, tokens, MlaForm::kExpanded);
  i64 as_absorbed = 0, as_expanded = 0;
  for (i64 i = 0; i < automatic.size(); ++i) {
    as_absorbed += automatic[i] == absorbed[i];
    as_expanded += automatic[i] == expanded[i];
  }
  EXPECT_EQ(as_absorbed, automatic.size());
  EXPECT_LT(as_expanded, automatic.size()) << "the two forms must round differently";
}

}  // namespace
}  // namespace fathom::model
