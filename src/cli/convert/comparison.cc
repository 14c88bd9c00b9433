#include "cli/convert/comparison.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/error.h"
#include "cli/options/model_options.h"
#include "cli/options/text_input.h"
#include "engine/prompt.h"
#include "engine/scorer.h"
#include "model/attention/kv_cache.h"
#include "model/model.h"

namespace fathom::cli {
namespace {

std::vector<float> logits_of(Ctx& ctx, const std::string& path, std::span<const i32> ids) {
  // Exact in F32, whatever a GGUF file stores.
  const auto model = model::Model::load(ctx, path, {.gguf_dtype = DType::kF32});
  const auto count = static_cast<i64>(ids.size());
  model::KvCache cache(model->config(), ops::CacheDType::kF32, count);
  std::vector<float> logits(static_cast<size_t>(count * model->config().vocab_size));
  const model::SequenceStep step{
      .token_ids = ids, .cache = &cache, .logits = model::LogitRows::kAll};
  model->forward(ctx, {&step, 1}, {.activations = ops::Activations::kF32},
                 {logits.data(), {count, model->config().vocab_size}});
  return logits;
}

double bits_per_byte(Ctx& ctx, const std::string& path, const std::string& text) {
  const auto model = model::Model::load(ctx, path);
  const engine::TextCodec codec = value_or_throw(engine::load_text_codec(path));
  const std::vector<i32> ids = engine::encode_prompt(codec, text, tokenizer::TextKind::kPlain);
  engine::ScoreOptions options;
  options.engine = engine_options({}, model->config(), static_cast<i64>(ids.size()));
  const engine::Score score = engine::score_tokens(ctx, *model, ids, options);
  return -score.total_log_prob / std::numbers::ln2 / static_cast<double>(text.size());
}

}  // namespace

LogitCheck compare_logits(Ctx& ctx, const std::string& from, const std::string& to,
                          const ModelConfig& config) {
  constexpr i64 kTokens = 16;
  std::vector<i32> ids;
  for (i64 i = 0; i < std::min(kTokens, config.max_position_embeddings); ++i) {
    ids.push_back(static_cast<i32>((7919 * i + 11) % config.vocab_size));  // spread over the rows
  }
  const std::vector<float> before = logits_of(ctx, from, ids), after = logits_of(ctx, to, ids);
  LogitCheck check = {.tokens = static_cast<i64>(ids.size())};
  double largest = 0.0, difference = 0.0;
  for (size_t i = 0; i < before.size(); ++i) {
    const double value = before[i], change = std::abs(value - after[i]);
    if (!std::isfinite(value) || !std::isfinite(change)) check.finite = false;
    largest = std::max(largest, std::abs(value));
    difference = std::max(difference, change);
  }
  check.max_difference = largest > 0 ? difference / largest : difference;
  for (i64 t = 0; t < check.tokens; ++t) {
    const auto row = [&](const std::vector<float>& all) {
      const auto begin = all.begin() + t * config.vocab_size;
      return std::max_element(begin, begin + config.vocab_size) - begin;
    };
    check.same_top1 += row(before) == row(after) ? 1 : 0;
  }
  return check;
}

std::string comparison_text(const std::string& model, const std::string& path) {
  value_or_throw(engine::load_text_codec(model));
  std::string text = read_prose(path);
  if (text.empty()) throw Error(ErrorCode::kInvalidInput, path + " is empty");
  return text;
}

TextLoss text_loss(Ctx& ctx, const std::string& from, const std::string& to,
                   const std::string& text) {
  return {.before = bits_per_byte(ctx, from, text), .after = bits_per_byte(ctx, to, text)};
}

}  // namespace fathom::cli
