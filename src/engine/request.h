#pragma once
// What a client asks of the engine, and what it gets back.
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sampling/sampling_params.h"
#include "engine/sampling/thought.h"

namespace fathom::engine {

class TokenMask;

/// Which cached rows a prompt may begin with. The engine's results do not depend on other requests,
/// on order or on chunking; with kExact they do not depend on what was cached before either, since
/// rows that decoding made differ in the last bits from a prompt's. kAny takes those too: a
/// conversation goes on without computing its last answer again.
enum class CacheUse { kExact, kAny, kNone };

struct GenerateRequest {
  std::vector<i32> prompt_ids;
  SamplingParams sampling;
  i64 max_tokens = 256;
  i64 min_tokens = 0;               // before these no stop_token_ids
  i64 num_choices = 1;              // continuations of the one prompt (`n`)
  std::vector<std::string> stop;    // texts that end the answer; not part of it
  std::vector<i32> stop_token_ids;  // tokens that end the answer; not part of it
  i64 top_log_probs = -1;           // beside each token: -1 nothing, else its own and so many tops
  bool tempered_log_probs = false;  // of logits / temperature, where that is above 0; else raw
  /// Log-probabilities of the prompt's tokens from this index on; < 0: none.
  i64 prompt_log_probs_from = -1;
  i32 scored_next_id = -1;  // with them, of this token after the prompt too; < 0: none
  /// Receives raw logits [rows, vocab] of consecutive prompt tokens, from index
  /// prompt_log_probs_from on, on the engine's thread.
  std::function<void(const float* logits, i64 rows)> on_prompt_logits;
  /// Receives, before a choice's last event, the experts of the tokens that were computed, prompt
  /// first: [tokens, MoE layers, topk]. On the engine's thread (of the request's rank, where there
  /// are several) under its lock: it must not call the engine. Wants EngineOptions::keep_routes.
  std::function<void(i32 choice, std::span<const u16> experts)> on_routes;
  /// Set: the answer begins inside a thought. Until the token behind that, make_mask forbids
  /// nothing and `stop` is not looked for; with a mask no stop_token_ids end the answer there
  /// either.
  std::optional<ThinkingParams> thinking;
  /// Made once a choice; empty: everything may come.
  std::function<std::unique_ptr<TokenMask>()> make_mask;
  bool draft = true;  // by the checkpoint's MTP modules; changes no token
  CacheUse cache_use = CacheUse::kExact;

  std::string tenant;      // whose request it is: fair shares and cached pages are by tenant
  std::string cache_salt;  // splits the tenant's cached pages further
  double weight = 1.0;     // of the tenant
  i64 max_parallel = 0;    // sequences of the tenant at once; 0: no limit of its own
  int priority = 0;        // lower goes first
};

enum class FinishReason { kStop, kLength, kInterrupted, kError };
/// "stop", "length", "interrupted" or "error".
std::string_view finish_reason_name(FinishReason reason);

inline constexpr i64 kMaxTopLogProbs = 20;

struct TopLogProb {
  i32 id = 0;
  double log_prob = 0.0;
};

/// One thing that happened to a choice, in order.
struct Event {
  enum class Kind {
    kToken,        // `id` was generated; its text may still be held back
    kPromptToken,  // the log-probability of a prompt token
    kFinish,       // the last one of a choice
  };
  Kind kind = Kind::kToken;
  i32 choice = 0;
  i32 id = 0;             // of kFinish: the token that ended the choice; -1: none did
  double log_prob = 0.0;  // of the raw distribution, where asked for; natural
  i64 num_top = 0;
  std::array<TopLogProb, kMaxTopLogProbs> top{};
  FinishReason reason = FinishReason::kStop;  // of kFinish
  i32 stop_index = -1;                        // of kFinish: which of `stop` ended the choice
  i64 text_bytes = 0;                         // of Events::text that are new with this event
};

/// What a request did so far. Only its own tokens count, whoever else was in its steps.
struct RequestStats {
  i64 prompt_tokens = 0;
  i64 cached_tokens = 0;     // of the prompt, found in the cache
  i64 prefilled_tokens = 0;  // of the prompt, cached or computed
  i64 begun_tokens = 0;      // these, and those of the chunk that is being computed
  i64 generated_tokens = 0;  // of all choices, stop tokens not counted
  i64 thinking_tokens = 0;   // of those, thoughts and the tokens that ended them
  i64 draft_tokens = 0;      // proposed
  i64 accepted_tokens = 0;   // of those, kept
  i64 preemptions = 0;
  double queue_s = 0.0;        // from submission to its start
  double prefilled_s = 0.0;    // from submission to the last change of prefilled_tokens
  double first_token_s = 0.0;  // from submission to the first token
  double total_s = 0.0;        // from submission to the end; until then, to the last token
};

}  // namespace fathom::engine
