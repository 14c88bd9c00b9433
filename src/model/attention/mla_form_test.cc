// kAuto takes the form that is cheaper for the new tokens and the cached ones in sum.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backend/backend.h"
#include "model/attention/mla.h"
#include "model/step_profile.h"
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

/// Largest difference of the forms' logits, of the largest logit, in BF16 behind a cache.
double difference_of_forms(Ctx& ctx, const Model& model, std::span<const i32> ids) {
  std::vector<Tensor<float>> logits;
  for (const MlaForm form : {MlaForm::kExpanded, MlaForm::kAbsorbed}) {
    KvCache cache(model.config(), ops::CacheDType::kBf16, std::ssize(ids));
    const RunOptions options = {.activations = ops::Activations::kBf16, .mla_form = form};
    run(ctx, model, ids.first(ids.size() - 2), cache, options);
    logits.push_back(run(ctx, model, ids.last(2), cache, options));
  }
  double largest = 0.0, difference = 0.0;
  for (i64 i = 0; i < logits[0].size(); ++i) {
    largest = std::max(largest, static_cast<double>(std::abs(logits[0][i])));
    difference = std::max(difference, static_cast<double>(std::abs(logits[0][i] - logits[1][i])));
  }
  return difference / largest;
}

// In BF16 the absorbed form has kernels of its own, which see the cached tokens too.
TEST(MlaForm, BothSeeTheCacheInBf16) {
  Ctx ctx = backend::make_context();
  const auto model = Model::random(ctx, ragged_v3(), {});
  std::vector<i32> ids(100);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<i32>(i * 37 % 300);
  EXPECT_LT(difference_of_forms(ctx, *model, ids), 0.05);
}

TEST(ReadBytes, OneExpertIsWhatOneExpertHolds) {
  Ctx ctx = backend::make_context();
  const auto model = Model::random(ctx, ragged_v3(), {});
  EXPECT_EQ(model->read_bytes().routed_expert, 3 * 160 * 48 * 2);
}

}  // namespace
}  // namespace fathom::model
