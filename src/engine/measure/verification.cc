#include "engine/measure/verification.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "engine/measure/prefill.h"
#include "engine/measure/random_ids.h"
#include "model/step.h"
#include "model/tolerances.h"

namespace fathom::engine {
namespace {

constexpr i64 kFewTokens = 3;

/// Logits of every token of `ids` [tokens * vocab], from a fresh cache, `chunk` tokens a step.
std::vector<float> all_logits(Ctx& ctx, const model::Model& model, std::span<const i32> ids,
                              const model::RunOptions& run, ops::CacheDType cache_dtype,
                              i64 chunk) {
  const i64 vocab = model.config().vocab_size;
  model::KvCache cache(model.config(), cache_dtype, std::ssize(ids));
  std::vector<float> all, of_chunk(static_cast<size_t>(chunk * vocab));
  prefill(ctx, model, cache, ids, {.chunk_tokens = chunk, .all_logits = true, .run = run},
          {of_chunk.data(), {chunk, vocab}}, [&](i64, View<const float, 2> logits) {
            all.insert(all.end(), logits.data(), logits.data() + logits.size());
          });
  return all;
}

/// Of the largest |want|; infinite where one of them is no number.
double relative_error(std::span<const float> got, std::span<const float> want) {
  double largest = 0.0, worst = 0.0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (!std::isfinite(error)) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, error);
    largest = std::max(largest, std::abs(static_cast<double>(want[i])));
  }
  return largest > 0.0 ? worst / largest : std::numeric_limits<double>::infinity();
}

/// The lower quartile of the tokens' errors.
double quartile_error(std::span<const float> got, std::span<const float> want, size_t tokens) {
  const size_t vocab = want.size() / tokens;
  std::vector<double> errors;
  for (size_t t = 0; t < tokens; ++t) {
    errors.push_back(relative_error(got.subspan(t * vocab, vocab), want.subspan(t * vocab, vocab)));
  }
  std::ranges::nth_element(errors, errors.begin() + std::ssize(errors) / 4);
  return errors[errors.size() / 4];
}

}  // namespace

bool Verification::ok() const {
  return exact_error <= model::kF32LogitTol &&
         timed_error <= std::max(model::kBf16LogitTol, 2.0 * rounding_error) && threads_agree &&
         chunking_agrees;
}

Verification verify(const VerifiedContexts& contexts, const model::Model& model,
                    const model::RunOptions& timed, ops::CacheDType cache_dtype) {
  const auto& [ctx, scalar, other] = contexts;
  const i64 limit = model.config().max_position_embeddings;
  const std::vector<i32> ids =
      random_ids(std::min(model::kPrefillTokens, limit), model.config().vocab_size, 3);
  const i64 tokens = std::ssize(ids), few_tokens = std::min(kFewTokens, tokens);
  const std::span<const i32> prompt(ids), few = prompt.first(static_cast<size_t>(few_tokens));
  const model::RunOptions exact = {.activations = ops::Activations::kF32};
  model::RunOptions one_form = timed;
  one_form.mla_form = model::MlaForm::kExpanded;  // within one form chunking changes nothing
  const auto run = [&](Ctx& c, std::span<const i32> text, const model::RunOptions& how, i64 chunk) {
    const bool f32 = how.activations == ops::Activations::kF32;
    return all_logits(c, model, text, how, f32 ? ops::CacheDType::kF32 : cache_dtype, chunk);
  };

  Verification result;
  result.exact_error =
      relative_error(run(ctx, few, exact, few_tokens), run(scalar, few, exact, few_tokens));
  const std::vector<float> unrounded = run(other, prompt, exact, tokens);
  for (const i64 chunk : {tokens, i64{1}}) {  // prefill's kernels, and decoding's
    const std::vector<float> want = run(other, prompt, timed, chunk);
    const double error = quartile_error(run(ctx, prompt, timed, chunk), want, ids.size());
    result.timed_error = std::max(result.timed_error, error);
    const double rounding = quartile_error(want, unrounded, ids.size());
    result.rounding_error = std::max(result.rounding_error, rounding);
  }
  const std::vector<float> at_once = run(ctx, few, one_form, few_tokens);
  result.chunking_agrees = run(ctx, few, one_form, 1) == at_once;
  const std::vector<float> whole = run(ctx, prompt, timed, tokens);
  const int threads = num_threads();
  set_num_threads(1);
  result.threads_agree =
      run(ctx, few, one_form, few_tokens) == at_once && run(ctx, prompt, timed, tokens) == whole;
  set_num_threads(threads);
  return result;
}

}  // namespace fathom::engine
