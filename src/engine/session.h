#pragma once
// One conversation with a model: a cache, the tokens in it, and generation on top.
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampler.h"
#include "model/attention/kv_cache.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace fathom::engine {

struct SessionOptions {
  i64 context_tokens = 4096;
  ops::CacheDType cache_dtype = ops::CacheDType::kBf16;
  model::RunOptions run;
  i64 prefill_chunk_tokens = 1024;
};

struct GenerateRequest {
  std::vector<i32> prompt_ids;
  SamplingParams sampling;
  i64 max_tokens = 256;
  std::vector<std::string> stop;    // texts that end the answer; not part of it
  std::vector<i32> stop_token_ids;  // tokens that end the answer; not part of it
};

enum class FinishReason { kStop, kLength, kInterrupted };
/// "stop", "length" or "interrupted".
std::string_view finish_reason_name(FinishReason reason);

struct GenerateResult {
  std::string text;
  std::vector<i32> token_ids;  // generated, without the stop token
  FinishReason finish_reason = FinishReason::kLength;
  i64 prompt_tokens = 0;
  i64 reused_tokens = 0;       // of the prompt, found in the cache
  double first_token_s = 0.0;  // from the call to the first sampled token
  double decode_s = 0.0;       // from the first sampled token to the last
  i64 decode_steps = 0;        // forward passes of one token within decode_s
};

/// Streamed pieces of the answer: whole UTF-8 characters, nothing that a stop text could still take
/// back. Their concatenation is GenerateResult::text.
using OnText = std::function<void(std::string_view)>;

class Session {
 public:
  /// Throws Error when the context does not fit in memory or in the model's limit.
  /// Holds references to the context, the model and the tokenizer, which must outlive it.
  Session(Ctx& ctx, const model::Model& model, const tokenizer::Tokenizer& tokenizer,
          const SessionOptions& options);

  /// Runs until a stop token, a stop text, max_tokens, a full context (kLength) or `*interrupted`.
  /// Tokens that the cache already holds as a prefix are not computed again. Throws
  /// Error{kInvalidInput} for an empty prompt, one longer than the context, or bad parameters.
  GenerateResult generate(const GenerateRequest& request, const OnText& on_text,
                          const std::atomic<bool>* interrupted = nullptr);

  i64 context_tokens() const { return cache_.capacity_tokens(); }

 private:
  void check(const GenerateRequest& request) const;
  i64 reuse_prefix(std::span<const i32> prompt_ids);
  bool prefill(std::span<const i32> ids, const std::atomic<bool>* interrupted);
  void step(i32 id);
  View<float, 2> last_logits() { return {logits_.data(), {1, std::ssize(logits_)}}; }

  const model::Model& model_;
  const tokenizer::Tokenizer& tokenizer_;
  SessionOptions options_;
  Ctx& ctx_;
  model::KvCache cache_;
  std::vector<i32> cached_ids_;  // the tokens whose rows the cache holds
  std::vector<float> logits_;    // [vocab] of the last step
};

/// For each row of the head: does the tokenizer have a token for it? Others are never sampled.
std::vector<bool> sampleable_ids(const tokenizer::Tokenizer& tokenizer, i64 vocab_size);

}  // namespace fathom::engine
