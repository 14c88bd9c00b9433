#pragma once
// Inference with experts on several ranks: attention data parallel, experts parallel.
// Source: DeepSeek-V3 §3.4; DeepEP's normal mode.
//
// Each rank runs passes over its own sequences. Where a pass comes to a MoE layer it is a *round*
// of all ranks: everybody says which layer its tokens want, tokens go to the ranks of their
// experts, these run them, results go back. A rank that is elsewhere in its pass gives another
// layer; one whose passes of the step are over takes part without tokens until all are (end_step).
// So who takes part depends neither on routing nor on what a rank has to do, and nobody waits for
// a rank that has nothing.
#include <functional>
#include <vector>

#include "device/linear.h"
#include "model/exchange/expert_exchange.h"
#include "model/expert_ranks/expert_slots.h"

namespace fathom::model {

/// What a MoE layer's tokens want.
struct ExpertCall {
  i64 layer = 0;
  device::LinearMode mode;
};

/// What a rank says with the end of its step.
struct StepWord {
  i64 has_work = 0;
  i64 stops = 0;
};

/// So many of a rank's tokens for an expert go to its replica on another rank, or on its own.
struct TokenDeal {
  i32 expert = 0, source = 0, rank = 0;
  i64 tokens = 0;
};

/// How the tokens of one layer and round are dealt to replicas: a pure function, computed on every
/// rank from what all of them know.
///   wanted  [ranks, experts]  how many tokens of a rank chose an expert
/// Appends to `deals`; for every expert and source they add up to what is wanted, and each rank has
/// a slot of its expert.
using DealTokens = std::function<void(const ExpertMap& map, View<const i64, 2> wanted,
                                      std::vector<TokenDeal>& deals)>;

struct ExpertRanksOptions {
  ExpertWire wire = ExpertWire::kF32;
  /// Empty: replicas take turns. Else every round costs one exchange of counts more.
  DealTokens deal = {};
  /// A round of a rank has at most so many; longer calls take several.
  i64 round_tokens = 512;
};

class ExpertRanks {
 public:
  /// Every rank with the same options and `maps` (ExpertSlots). All three outlive it; `moves` is
  /// another group of the same ranks.
  ExpertRanks(Ctx& ctx, comm::Comm& group, comm::Comm& moves, const Model& model,
              std::vector<ExpertMap> maps, const ExpertRanksOptions& options);

  int rank() const { return group_.rank(); }
  int size() const { return group_.size(); }

  /// y[t] = sum_j topk_weights[t, j] FFN_{topk_indices[t, j]}(x[t]), experts wherever they are.
  ///   x, y  [tokens, hidden]  f32  y overwritten; must not alias x
  /// With the f32 wire bitwise moe_experts_forward, whatever the map; BF16 and FP8 wires round rows
  /// on their way to the experts, and what comes back a rank to BF16. Throws LostRanks.
  void forward(const ExpertCall& call, View<const float, 2> x, View<const i32, 2> topk_indices,
               View<const float, 2> topk_weights, View<float, 2> y);

  /// This rank's passes of the step are over: takes part in the rounds of others until all are.
  /// Returns what each rank said.
  const std::vector<StepWord>& end_step(const StepWord& mine);

  ExpertSlots& slots() { return slots_; }
  /// Of this rank's own tokens, since the last take: [layer][expert] pairs of a token and an
  /// expert.
  std::vector<std::vector<i64>> take_loads();
  /// Of all ranks' tokens, since the last clear: [layer][rank] pairs that its experts ran; the same
  /// on all ranks.
  const std::vector<std::vector<i64>>& rank_loads() const { return rank_loads_; }
  void clear_rank_loads(i64 layer);
  /// Of all rounds so far: the sum of the largest load of a rank in each, over that of the means.
  double round_imbalance() const;

 private:
  /// What a rank sends at the start of a round.
  struct Said {
    i64 over = 0;  // of its step: nothing below but `word` counts
    i64 layer = 0;
    i64 activations = 0, prefill = 0;  // LinearMode
    StepWord word;
    bool same_call(const Said& other) const {
      return layer == other.layer && prefill == other.prefill && activations == other.activations;
    }
  };
  /// What a rank has in one: views of no rows if nothing.
  struct Round {
    i64 layer = 0;
    View<const float, 2> x;
    View<const i32, 2> topk_indices;
    View<const float, 2> topk_weights;
    View<float, 2> y;
  };
  bool run_round(const Round& round, const Said& said);
  void exchange(const Round& round);
  void run_arrived(const ExchangeCounts& counts, const SavedMatrix& rows,
                   const ArrivedRouting& routing, const device::PermutedRows& permuted,
                   View<float, 2> out);
  void run_call(const Said& said, View<const i32, 1> ids, View<const float, 2> x,
                const ArrivedRouting& routing, const device::PermutedRows& permuted,
                View<float, 2> out);
  void choose_slots(const Round& round, View<i32, 2> kept);
  void take_turns(const Round& round, View<i32, 2> kept);
  void deal_tokens(const Round& round, View<i32, 2> kept);
  void follow_deals(const ExpertMap& map, std::span<const TokenDeal> deals,
                    View<const i32, 2> topk_indices, View<i32, 2> kept);
  void count_arrivals(const ExchangeCounts& counts);

  Ctx& ctx_;
  comm::Comm& group_;
  ExpertRanksOptions options_;
  ExpertSlots slots_;
  i64 hidden_, topk_;
  ExpertExchange exchange_;  // its experts are slots
  std::vector<Said> said_;   // [ranks] in this round
  std::vector<i64> wanted_;  // [ranks, experts] in this round, where tokens are dealt
  std::vector<TokenDeal> deals_;
  std::vector<StepWord> words_;  // [ranks] at the end of the step
  std::vector<std::vector<i64>> loads_, rank_loads_;
  std::vector<std::vector<i64>> next_replica_;  // [layer][expert]: round robin over its slots
  i64 steps_ = 0;
  i64 largest_pairs_ = 0, all_pairs_ = 0;  // of rounds: of the busiest rank, of all
};

}  // namespace fathom::model
