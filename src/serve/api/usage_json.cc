#include "serve/api/usage_json.h"

#include <algorithm>

namespace fathom::serve {
namespace {

double per_second(i64 tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
}

}  // namespace

io::JsonObject openai_usage(const Usage& usage) {
  io::JsonObject cached, reasoning, object;
  cached.set("cached_tokens", usage.cached_tokens);
  reasoning.set("reasoning_tokens", usage.reasoning_tokens);
  object.set("prompt_tokens", usage.prompt_tokens);
  object.set("completion_tokens", usage.completion_tokens);
  object.set("total_tokens", usage.prompt_tokens + usage.completion_tokens);
  object.set("prompt_tokens_details", std::move(cached));
  object.set("completion_tokens_details", std::move(reasoning));
  object.set("prompt_cache_hit_tokens", usage.cached_tokens);
  object.set("prompt_cache_miss_tokens", usage.prompt_tokens - usage.cached_tokens);
  return object;
}

io::JsonObject timings(const Usage& usage) {
  const engine::RequestStats& stats = usage.stats;
  const double prompt_s = std::max(stats.first_token_s - stats.queue_s, 0.0);
  const double predicted_s = std::max(stats.total_s - stats.first_token_s, 0.0);
  const i64 computed = usage.prompt_tokens - usage.cached_tokens;
  io::JsonObject object;
  object.set("prompt_n", computed);
  object.set("prompt_ms", prompt_s * 1e3);
  object.set("prompt_per_second", per_second(computed, prompt_s));
  object.set("predicted_n", usage.completion_tokens);
  object.set("predicted_ms", predicted_s * 1e3);
  object.set("predicted_per_second", per_second(usage.completion_tokens, predicted_s));
  object.set("cache_n", usage.cached_tokens);
  object.set("draft_n", stats.draft_tokens);
  object.set("draft_n_accepted", stats.accepted_tokens);
  object.set("queue_ms", stats.queue_s * 1e3);
  return object;
}

}  // namespace fathom::serve
