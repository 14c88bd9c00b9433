#pragma once
// One model served by several ranks of this process: attention data parallel, experts parallel.
// Source: DeepSeek-V3 §3.4.
#include <functional>
#include <memory>
#include <string>

#include "engine/handover/handover.h"
#include "engine/make_engine.h"
#include "engine/ranks/expert_balancer.h"
#include "engine/ranks/token_dealer.h"

namespace fathom::engine {

struct RankOptions {
  int ranks = 1;
  model::ExpertWire wire = model::ExpertWire::kF32;
  /// Slots of a layer beyond one for each expert, rounded up to as many on each rank: replicas.
  i64 redundant_experts = 0;
  BalancerOptions balancer;
  model::DealTokens deal = {};  // empty: replicas take turns; least_largest_load()
  int prefill_ranks = 0;  // of the ranks, the first: compute prompts alone; 0: all do everything
  HandoverDeadlines handover = {};   // of the rows that go from these to the others
  double deadline_s = 600;           // for which a rank waits for another before the engine ends
  std::string hang_directory = ".";  // where hang-<rank>.json is written then; empty: nowhere
  std::function<Ctx()> make_context;
};

/// Each rank is a thread with an engine of its own, which has its sequences and its pages, and a
/// share of the experts. They step together, so that their passes share the experts' work; a
/// request goes to the rank that had most of its text before, else to the one with the fewest. What
/// it gets is bit for bit what make_engine's gives (f32 wire). `options` are of all ranks: pages,
/// running and waiting requests are divided among them, rounded up. Steps by itself: step() waits
/// for one. When ranks are lost everything ends with that error, and requests are refused with it.
/// The model and the tokenizer must outlive it. Throws as make_engine.
std::unique_ptr<Engine> make_ranked_engine(const model::Model& model,
                                           const tokenizer::Tokenizer* tokenizer,
                                           const EngineOptions& options, const RankOptions& ranks);

}  // namespace fathom::engine
