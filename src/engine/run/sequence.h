#pragma once
// A choice of a request while it runs.
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "engine/cache/page_pool.h"
#include "engine/request.h"
#include "engine/run/text_stream.h"
#include "engine/sampling/sampler.h"
#include "engine/sampling/thought.h"
#include "engine/sampling/token_mask.h"
#include "engine/schedule/draft_length.h"
#include "engine/schedule/request.h"
#include "engine/stream.h"
#include "model/attention/kv_cache.h"

namespace fathom::engine {

/// What the choices of a request share.
struct Job {
  GenerateRequest request;
  std::shared_ptr<Stream> stream;
  RequestStats stats;
  double submitted_s = 0.0;
  bool forked = false;  // all choices have sequences of their own
  /// What the client is told where another rank computed the prompt: what that one found.
  struct Handed {
    i64 cached_tokens = 0;
    double queue_s = 0.0;
  };
  std::optional<Handed> handed;
};

/// States of the MTP module of one depth k that its rows wait for, h^{k-1} of positions [begin,
/// begin + count). Rows wait for the token k places on, and are computed several at a time.
struct WaitingStates {
  i64 begin = 0;
  i64 count = 0;
  std::vector<float> states;  // [capacity, hidden]
};

struct Sequence {
  Sequence(std::shared_ptr<Job> job_in, i32 choice_in, model::KvCache cache_in, Sampler sampler_in,
           TextStream text_in)
      : job(std::move(job_in)),
        choice(choice_in),
        cache(std::move(cache_in)),
        sampler(std::move(sampler_in)),
        text(std::move(text_in)),
        thought(job->request.thinking) {}

  const GenerateRequest& request() const { return job->request; }
  i64 prompt_tokens() const { return std::ssize(job->request.prompt_ids); }
  i64 generated() const { return std::ssize(ids) - prompt_tokens(); }
  /// The rows that decoding has are those of all tokens but the last.
  bool ready_to_decode() const { return cache.length() == std::ssize(ids) - 1; }
  /// Rows [first_echo_row(), prompt_tokens()) tell the log-probabilities of the prompt that the
  /// client wants and does not have yet: it keeps what came before a preemption.
  i64 first_echo_row() const {
    const i64 from = request().prompt_log_probs_from;
    return from < 0 ? prompt_tokens() : std::max({from - 1, i64{0}, echoed_rows});
  }
  /// The mask that the next token is under; null: none.
  TokenMask* active_mask() const { return thought.open() ? nullptr : mask.get(); }

  RequestId id;
  std::shared_ptr<Job> job;
  i32 choice;
  std::vector<i32> ids;       // the prompt, then what was generated, stop tokens left out
  model::KvCache cache;       // its rows lie in `pages`
  std::vector<PageId> pages;  // one reference each
  i64 max_new_tokens = 0;
  i64 exact_tokens = 0;  // of the rows, those that are exact (glossary)
  Sampler sampler;
  TextStream text;
  Thought thought;
  std::unique_ptr<TokenMask> mask;     // of what follows the thought
  i64 echoed_rows = 0;                 // rows before it are told, or not wanted
  std::vector<i32> step_ids;           // of a decode step: the last token, then drafts
  std::vector<WaitingStates> waiting;  // by MTP depth - 1
  DraftHistory drafts;
  std::vector<float> raw_logits;  // [vocab] what log-probabilities are taken from, where asked for
  std::optional<FinishReason> finish_reason;
  Event end = {.kind = Event::Kind::kFinish, .id = -1};  // what its client will be told of it
  std::string error;                                     // of kError
  bool step_is_forced = false;   // step_ids holds what the mask forces, not drafts
  bool pass_was_forced = false;  // the last pass ran such step_ids
  // What came of the last pass: drafts that it verified, those it kept, tokens.
  i64 drafted = 0, accepted = 0, emitted = 0;
};

}  // namespace fathom::engine
