#pragma once
// What stands behind make_ranked_engine.
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "comm/comm.h"
#include "engine/handover/handover_counters.h"
#include "engine/ranks/prefix_router.h"
#include "engine/ranks/prompt_handover.h"
#include "engine/ranks/ranked_engine.h"

namespace fathom::engine {

class RankedEngine final : public Engine, public HandsOver {
 public:
  RankedEngine(const model::Model& model, const tokenizer::Tokenizer* tokenizer,
               const EngineOptions& options, const RankOptions& ranks);
  ~RankedEngine() override;

  Result<Submission> submit(GenerateRequest request) override;
  bool step() override;
  void fail_all(const std::string& message) override;
  void forget(const std::string& tenant) override;
  void wait(double timeout_s) override;
  i64 context_tokens() const override { return options_.context_tokens; }
  bool drafts() const override { return ranks_.front().engine->drafts(); }
  EngineCounters counters() const override;
  HandoverCounters handover_counters() const override;
  i64 num_pages() const override { return sum(&Engine::num_pages); }
  i64 num_free_pages() const override { return sum(&Engine::num_free_pages); }
  i64 num_cached_pages() const override { return sum(&Engine::num_cached_pages); }
  i64 num_running() const override { return sum(&Engine::num_running); }
  i64 num_waiting() const override;
  double stalled_s() const override;

 private:
  struct Rank {
    Ctx ctx;
    std::unique_ptr<HandoverEngine> engine;
  };

  i64 sum(i64 (Engine::*number)() const) const;
  std::vector<i64> loads() const;
  Result<Submission> submit_to_rank(GenerateRequest request);
  Result<Submission> submit_apart(GenerateRequest request);
  void tell();

  // The ranks' threads (ranked_engine_run.cc).
  void run();
  void run_rank(comm::Comm& world);
  bool step_together(int rank, HandoverEngine& engine, model::ExpertRanks& experts,
                     ExpertBalancer& balancer);
  bool step_rank(int rank, HandoverEngine& engine);
  void lose(int rank, const std::exception& error);
  void end_requests(int rank, const std::string& message);

  const model::Model& model_;
  const tokenizer::Tokenizer* tokenizer_;
  const EngineOptions options_;
  const RankOptions rank_options_;
  const plan::PlacementShape shape_;
  std::vector<Rank> ranks_;
  std::optional<PromptHandover> handover_;  // where prefill and decode are apart

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int started_ = 0;
  bool stopping_ = false;
  u64 news_ = 0;   // of clients, and of other ranks
  u64 steps_ = 0;  // with work
  ExpertCounters experts_;
  PrefixRouter router_;         // of all ranks, or of those that decode
  PrefixRouter prompt_router_;  // of those that compute prompts
  std::exception_ptr broken_;
  std::string broken_message_;  // for clients
  Clock::time_point broken_since_;
  std::thread thread_;  // last: rank 0, and it starts the others
};

}  // namespace fathom::engine
