#pragma once
// Prefill and decode apart: prompts are computed by some ranks' engines, and decoded by others'.
// Source: DeepSeek-V3 §3.4.
//
// A request's way: its prompt runs on a prefill rank as a request of no tokens; its rows go to a
// decode rank, page by page, under the tables of handover/states.h; there they are published, and
// the request begins as one that finds its prompt cached. Whatever goes wrong with the rows costs
// time alone: the decode rank then computes the prompt itself.
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "engine/handover/handover.h"
#include "engine/handover/handover_counters.h"
#include "engine/handover/handover_engine.h"

namespace fathom::engine {

struct PromptHandoverOptions {
  HandoverDeadlines deadlines;
  double place_s = 600;                // for a place in the decode rank's queue
  i64 pages_a_look = 8;                // that a request's rows advance between two steps
  std::function<double()> now_s = {};  // rises; empty: a clock
};

class PromptHandover {
 public:
  /// Of so many ranks, the first `prefill_ranks` of which compute prompts; `tell` is called, by a
  /// rank's thread, where another rank has something new to look at.
  PromptHandover(i64 ranks, i64 prefill_ranks, PromptHandoverOptions options,
                 std::function<void()> tell);
  /// What is under way ends as interrupted. After the last look_around().
  ~PromptHandover();
  PromptHandover(const PromptHandover&) = delete;
  PromptHandover& operator=(const PromptHandover&) = delete;

  /// Before the first request; outlives this, or at least look_around().
  void set_engine(i64 rank, HandoverEngine& engine);

  i64 prefill_ranks() const { return prefill_ranks_; }
  /// Any thread. Its prompt is computed on `prefill` and it is decoded on `decode`. One whose
  /// prompt's logits are asked for, or that may leave nothing in a cache, runs on `prefill` as a
  /// whole.
  Result<Submission> submit(GenerateRequest request, i64 prefill, i64 decode);
  /// That rank's thread, between two steps. True: something of it is under way here.
  bool look_around(i64 rank);
  /// What is that rank's turn to bring forward ends with this error. Its thread.
  void fail_rank(i64 rank, const std::string& message);
  /// Nothing of the tenant's that is under way is left in a cache.
  void forget(const std::string& tenant);
  HandoverCounters counters() const;
  /// Requests that no engine has to answer yet.
  i64 under_way() const;
  /// Requests that the rank will decode and has not begun.
  i64 to_come(i64 rank) const;

 private:
  enum class Phase { kPrompt, kRows, kPlace };
  struct Request {
    GenerateRequest request;
    std::shared_ptr<Stream> stream;  // the client's
    std::shared_ptr<Stream> prompt;  // of the request of no tokens
    i64 prefill = 0, decode = 0;
    Phase phase = Phase::kPrompt;
    double submitted_s = 0.0, phase_s = 0.0;  // when
    i64 tokens = 0, exact_tokens = 0;         // rows that are handed over
  };
  using Requests = std::map<u64, Request>;
  /// What a rank's thread works with; others only put into its mail.
  struct Side;

  double now_s() const;
  void make_side(i64 rank);
  u64 new_id(i64 prefill, i64 decode) FATHOM_REQUIRES(mutex_);
  i64 other_rank(u64 id, i64 rank) const;
  std::vector<u64> ids_of(i64 rank, Phase phase) const;
  static i64 whose_turn(const Request& request);

  // On the prefill rank (prompt_handover_send.cc).
  void look_at_prompt(Side& side, u64 id);
  void offer_rows(Side& side, u64 id);
  void look_at_rows(Side& side, u64 id);
  void sent(Side& side, u64 id, SendState state);
  // On the decode rank (prompt_handover_receive.cc).
  std::optional<std::vector<std::span<u8>>> room(Side& side, u64 id, i64 pages);
  void received(Side& side, u64 id, ReceiveState state);
  void begin(Side& side, u64 id);

  void to_place(u64 id) FATHOM_REQUIRES(mutex_);
  void end(u64 id, FinishReason reason, const std::string& error) FATHOM_REQUIRES(mutex_);

  const i64 prefill_ranks_;
  const PromptHandoverOptions options_;
  const std::function<void()> tell_;
  const Clock::time_point epoch_ = Clock::now();
  std::vector<std::unique_ptr<Side>> sides_;
  mutable Mutex mutex_;
  Requests requests_ FATHOM_GUARDED_BY(mutex_);
  std::vector<std::deque<HandoverMessage>> mail_ FATHOM_GUARDED_BY(mutex_);  // by rank
  u64 ids_ FATHOM_GUARDED_BY(mutex_) = 0;
  HandoverCounters counters_ FATHOM_GUARDED_BY(mutex_);
};

}  // namespace fathom::engine
