#pragma once
// What stands behind Engine. `mutex_` guards everything but what passes over the model work on;
// the engine's thread gives it up for those.
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/cache/disk_tier.h"
#include "engine/cache/paged_cache.h"
#include "engine/cache/spilled_rows.h"
#include "engine/engine.h"
#include "engine/handover/handover_engine.h"
#include "engine/make_engine.h"
#include "engine/run/decode_pass.h"
#include "engine/run/drafter.h"
#include "engine/run/prefill_pass.h"
#include "engine/run/sequence_pages.h"
#include "engine/schedule/scheduler.h"

namespace fathom::engine {

struct Engine::Impl final : public HandoverEngine {
 public:
  Impl(Ctx& ctx, const model::Model& model, const tokenizer::Tokenizer* tokenizer,
       const EngineOptions& options);
  ~Impl() override;

  Result<Submission> submit(GenerateRequest request) override;
  bool step() override;
  void fail_all(const std::string& message) override;
  void forget(const std::string& tenant) override;
  void wait(double timeout_s) override;
  i64 context_tokens() const override { return options_.context_tokens; }
  bool drafts() const override { return drafter_.has_value(); }
  EngineCounters counters() const override;
  i64 num_pages() const override { return cache_.num_pages(); }
  i64 num_free_pages() const override;
  i64 num_cached_pages() const override;
  i64 num_running() const override;
  i64 num_waiting() const override;
  double stalled_s() const override;

  // With other ranks' engines (engine_handover.cc).
  Result<void> check(const GenerateRequest& request) const override;
  Result<Submission> submit_handed(GenerateRequest request, HandedPrompt prompt) override;
  LentPages lend_prompt(const GenerateRequest& request) override;
  std::optional<LentPages> lend_room(const GenerateRequest& request, i64 tokens) override;
  void publish_room(const LentPages& room, i64 exact_tokens) override;
  void give_back(u64 handle) override;

 private:
  /// A request from its submission on; each further choice gets its own.
  struct Entry {
    RequestId id;
    std::shared_ptr<Job> job;               // null: a free entry
    std::unique_ptr<Sequence> sequence;     // once it has started
    i64 published_tokens = 0;               // that the cache knows of
    std::optional<CacheState> did_not_fit;  // when its pages were last looked for
    /// Its prompt waits until the leader's pages hold so many of its tokens.
    struct Follows {
      RequestId leader;
      i64 tokens;
    };
    std::optional<Follows> follows;
    std::unique_ptr<SpilledRows> spilled;  // of a preempted sequence, where there is a disk tier
    std::optional<i64> restored_tokens;    // while its rows are read: those that are in its pages
  };

  // Requests (engine_requests.cc).
  Result<Submission> submit_job(GenerateRequest request, std::optional<HandedPrompt> prompt);
  i64 max_new_tokens(const GenerateRequest& request) const;
  i64 pages_for(i64 tokens) const;
  Entry& add_entry(RequestId id, std::shared_ptr<Job> job);
  Entry* find(RequestId id);
  std::unique_ptr<Sequence> make_sequence(const std::shared_ptr<Job>& job, i32 choice) const;

  std::unique_ptr<Sequence> holding_sequence(const GenerateRequest& request) const;
  LentPages lend(std::unique_ptr<Sequence> sequence, i64 tokens);

  // Who runs (engine_admission.cc).
  void drop_forgotten();
  double now_s() const { return seconds_since(epoch_); }
  bool is_blocked(const Entry& entry) const {
    return entry.job->stream->unread_bytes() > options_.max_unread_bytes;
  }
  void end_unwanted(double now_s);
  void start_waiting(double now_s);
  i64 reusable_tokens(const Sequence& sequence) const;
  bool start(Entry& entry, const Turn& turn, double now_s);
  i64 shared_prefix(const Entry& other, const Sequence& sequence) const;
  void follow(Entry& entry, i64 cached);
  void take_shared_prefixes(double now_s);
  void preempt(RequestId id);
  void spill(Entry& entry);
  void begin_to_restore(Entry& entry, i64 cached);
  void restore_spilled(double now_s);
  void end_restoring(Entry& entry, double now_s);
  void make_batch(std::span<const RequestId> decoding);
  bool has_room(Sequence& sequence);

  // One step (engine_step.cc).
  void run_decode(std::unique_lock<std::mutex>& lock);
  void emit_runs();
  double keep_states(double decode_s);
  void run_drafts(std::unique_lock<std::mutex>& lock);
  void notify_readers();

  // Its prompts (engine_prefill.cc).
  void begin_chunk(const StepPlan& plan);
  void run_layers(std::unique_lock<std::mutex>& lock, const StepPlan& plan, bool decodes);
  double decode_in_pause(double layers_s);
  void chunk_completed(std::unique_lock<std::mutex>& lock, std::span<const ChunkItem> completed);
  void replay(Sequence& sequence, i64 begin, i64 end);

  void report_prefilled(Entry& entry, i64 tokens);

  // What a pass gave (engine_results.cc).
  void settle_run(Entry& entry);
  void give_prompt_logits(size_t index);
  void emit_prompt(Entry& entry, const PrefillItem& item, size_t index);
  void first_tokens(Entry& entry, View<float, 1> logits);
  void first_token(Entry& entry, View<float, 1> logits);
  bool drafts_for(const Sequence& sequence) const {
    return drafter_.has_value() && sequence.request().draft;
  }
  void wish_for_drafts();
  i64 draft_limit(const Sequence& sequence) const;
  void fork(Entry& parent, i32 choice, View<const float, 1> logits);
  void publish(Entry& entry, i64 tokens);
  void publish_whole_pages(Entry& entry);
  void finish(Entry& entry, FinishReason reason);
  void fail(Entry& entry, const std::string& message);

  Ctx& ctx_;
  const model::Model& model_;
  const tokenizer::Tokenizer* tokenizer_;
  i64 num_ids_;  // below it every id has a token
  EngineOptions options_;
  Clock::time_point epoch_ = Clock::now();

  mutable std::mutex mutex_;
  std::condition_variable work_;
  Scheduler scheduler_;
  std::unique_ptr<DiskTier> tier_;  // null: off
  PagedCache cache_;
  SequencePages pages_;
  DecodePass decode_;
  PrefillPass prefill_;
  std::optional<Drafter> drafter_;
  DraftLength draft_length_;
  std::vector<Entry> entries_;  // by RequestId::slot
  std::map<std::string, TenantId> tenants_;
  EngineCounters counters_{};
  std::optional<std::string> failure_;             // that ends everything when the next step begins
  std::vector<std::string> forgotten_;             // tenants, until the next step begins
  std::map<u64, std::unique_ptr<Sequence>> lent_;  // sequences that hold lent pages
  u64 lent_handles_ = 0;
  bool reads_disk_ = false;  // the next request's pages, a few a step

  // Of the step under way; kept, so that it allocates nothing.
  std::vector<Sequence*> batch_;
  std::vector<DraftWish> wishes_;
  std::vector<DraftLength::Sequence> lengths_;
  std::vector<Sequence*> drafting_;  // of lengths_
  std::vector<PrefillItem> items_;
  std::vector<ChunkItem> completed_;
  std::vector<Sequence*> completed_sequences_;  // of completed_
};

}  // namespace fathom::engine
