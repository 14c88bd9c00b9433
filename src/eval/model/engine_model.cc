#include "eval/model/engine_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "engine/sampling/log_probs.h"
#include "eval/model/request_runner.h"
#include "eval/model/rolling_windows.h"

namespace fathom::eval {

using engine::Event;
using engine::GenerateRequest;

/// A request with its tokens and its place among all.
struct EngineModel::Scored {
  size_t index = 0;
  EncodedText encoded;
  TextScore score;
};

namespace {

/// A quarter of the cache for what a batch computes anew: its contexts must still be there when its
/// texts are scored.
constexpr i64 kBatchShare = 4;
constexpr i64 kMinBatchTokens = 512;

ModelFacts::Token token_of(const engine::TextCodec& codec, const std::optional<std::string>& text) {
  if (!text) return {};
  const auto id = codec.tokenizer.token_to_id(*text);
  return {*text, id ? *id : -1};
}

i64 common_prefix(const std::vector<i32>& a, const std::vector<i32>& b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

GenerateRequest prompt_request(std::vector<i32> ids) {
  GenerateRequest request;
  request.prompt_ids = std::move(ids);
  request.max_tokens = 0;
  request.draft = false;
  return request;
}

}  // namespace

EngineModel::EngineModel(Ctx& ctx, const model::Model& model, const engine::TextCodec& codec,
                         const EngineModelOptions& options)
    : ctx_(ctx),
      codec_(codec),
      vocab_(model.config().vocab_size),
      options_(options),
      engine_(engine::make_engine(ctx, model, &codec.tokenizer, options.engine)) {
  if (options_.chat) chat_.emplace(*options_.chat, codec.tokenizer);
  options_.facts.max_length = options_.engine.context_tokens;
  options_.facts.bos = token_of(codec, codec.config.bos_token);
  options_.facts.eos = token_of(codec, codec.config.eos_token);
  options_.facts.pad = token_of(codec, codec.config.pad_token);
  if (options_.engine.keep_routes) loads_.emplace(model.config());
}

EngineModel::~EngineModel() = default;

ModelWork EngineModel::work() const {
  const engine::EngineCounters counters = engine_->counters();
  return {asked_tokens_, counters.prompt_tokens, counters.generated_tokens};
}

void EngineModel::count_experts(GenerateRequest& request) {
  if (loads_) loads_->count_in(request);
}

std::vector<std::vector<i64>> EngineModel::expert_loads() const {
  return loads_ ? loads_->counts() : std::vector<std::vector<i64>>();
}

void EngineModel::score(std::span<const ContextAndText> requests, const OnScore& done) {
  TextEncoder encoder(codec_, options_.engine.context_tokens);
  const i64 budget =
      std::max(kMinBatchTokens, engine_->num_pages() * device::kPageTokens / kBatchShare);
  std::vector<Scored> batch;
  i64 new_tokens = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    Scored scored{.index = i, .encoded = value_or_throw(encoder.encode(requests[i]))};
    const EncodedText& encoded = scored.encoded;
    scored.score = {.tokens = std::ssize(encoded.ids) - encoded.context_tokens,
                    .greedy = true,
                    .truncated = encoded.truncated,
                    .merged = encoded.merged};
    const i64 size = std::ssize(encoded.ids);
    asked_tokens_ += static_cast<u64>(size - 1);
    const i64 shared = batch.empty() ? 0 : common_prefix(batch.back().encoded.ids, encoded.ids);
    // An item's options stay together.
    const bool same_context = shared >= encoded.context_tokens;
    if (!batch.empty() && !same_context && new_tokens + size - shared > budget) {
      score_batch(batch, done);
      batch.clear();
      new_tokens = 0;
    }
    new_tokens += size - shared;
    batch.push_back(std::move(scored));
  }
  score_batch(batch, done);
}

/// First all contexts but their last token, without logits: what they share is computed once. Then
/// the texts, whose rows are the few that remain. Texts of one token behind one context are read
/// from one row.
void EngineModel::score_batch(std::span<Scored> batch, const OnScore& done) {
  std::vector<GenerateRequest> contexts;
  std::map<std::vector<i32>, std::vector<Scored*>> single;
  std::vector<std::vector<Scored*>> asked;
  std::vector<GenerateRequest> requests;
  for (Scored& scored : batch) {
    const std::vector<i32>& ids = scored.encoded.ids;
    const i64 context = scored.encoded.context_tokens;
    std::vector<i32> held(ids.begin(), ids.begin() + context - 1);
    if (!held.empty() && (contexts.empty() || held != contexts.back().prompt_ids)) {
      contexts.push_back(prompt_request(std::move(held)));
    }
    if (scored.score.tokens == 1) {
      single[{ids.begin(), ids.end() - 1}].push_back(&scored);
      continue;
    }
    GenerateRequest request = prompt_request({ids.begin(), ids.end() - 1});
    request.prompt_log_probs_from = context;
    request.scored_next_id = ids.back();
    request.top_log_probs = 1;
    count_experts(request);
    requests.push_back(std::move(request));
    asked.push_back({&scored});
  }
  for (auto& [ids, texts] : single) {
    GenerateRequest request = prompt_request(ids);
    request.prompt_log_probs_from = std::ssize(ids);
    request.on_prompt_logits = [this, &texts = texts](const float* logits, i64 rows) {
      const View<const float, 1> row(logits + (rows - 1) * vocab_, {vocab_});
      for (Scored* const text : texts) {
        const i32 id = text->encoded.ids.back();
        Event event;
        engine::fill_log_probs(ctx_, row, id, 1, event);
        text->score.log_prob = event.log_prob;
        text->score.greedy = event.top[0].id == id;
      }
    };
    count_experts(request);
    requests.push_back(std::move(request));
    asked.push_back(texts);
  }
  run_requests(
      *engine_, std::move(contexts), [](size_t, const Event&, std::string_view) {},
      options_.interrupted);
  run_requests(
      *engine_, std::move(requests),
      [&](size_t index, const Event& event, std::string_view) {
        if (event.kind == Event::Kind::kPromptToken) {
          asked[index].front()->score.log_prob += event.log_prob;
          asked[index].front()->score.greedy &= event.top[0].id == event.id;
        } else if (event.kind == Event::Kind::kFinish) {
          for (const Scored* const text : asked[index]) hand_on(*text, done);
        }
      },
      options_.interrupted);
}

void EngineModel::score_documents(std::span<const RollingRequest> requests, const OnScore& done) {
  TextEncoder encoder(codec_, options_.engine.context_tokens);
  for (size_t i = 0; i < requests.size(); ++i) {
    const std::vector<i32> ids = encoder.encode_document(requests[i].text);
    Scored scored{.index = i, .score = {.tokens = std::ssize(ids) - 1, .greedy = true}};
    std::vector<GenerateRequest> asked;
    for (Window& window : rolling_windows(ids, options_.engine.context_tokens, requests[i].window,
                                          requests[i].stride)) {
      asked_tokens_ += window.ids.size() - 1;
      GenerateRequest request = prompt_request({window.ids.begin(), window.ids.end() - 1});
      request.prompt_log_probs_from = window.context_tokens;
      request.scored_next_id = window.ids.back();
      request.top_log_probs = 1;
      request.cache_use = engine::CacheUse::kNone;
      count_experts(request);
      asked.push_back(std::move(request));
    }
    std::vector<double> sums(asked.size());  // added up in order, whoever is done first
    run_requests(
        *engine_, std::move(asked),
        [&](size_t index, const Event& event, std::string_view) {
          if (event.kind != Event::Kind::kPromptToken) return;
          sums[index] += event.log_prob;
          scored.score.greedy &= event.top[0].id == event.id;
        },
        options_.interrupted);
    for (const double sum : sums) scored.score.log_prob += sum;
    hand_on(scored, done);
  }
}

void EngineModel::hand_on(const Scored& scored, const OnScore& done) {
  if (!std::isfinite(scored.score.log_prob)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: the log-probabilities are not finite; the weights hold NaN, "
                            "infinity or numbers too large",
                            options_.facts.name));
  }
  done(scored.index, scored.score);
}

}  // namespace fathom::eval
