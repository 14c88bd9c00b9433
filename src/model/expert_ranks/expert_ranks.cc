#include "model/expert_ranks/expert_ranks.h"

#include <algorithm>

#include "base/error.h"
#include "model/model.h"
#include "ops/gemm/gemm.h"
#include "ops/moe/moe_train.h"
#include "ops/rows.h"

namespace fathom::model {
namespace {

/// The same for every layer: the exchange numbers slots.
i64 slots_of_all(const ExpertSlots& slots, i64 ranks) {
  i64 count = 0;
  for (i64 l = 0; l < slots.layers(); ++l) {
    if (!slots.has_experts(l)) continue;
    FATHOM_CHECK(count == 0 || count == slots.map(l).slots(), "layer ", l, " has ",
                 slots.map(l).slots(), " slots a rank, others ", count);
    count = slots.map(l).slots();
  }
  return ranks * std::max<i64>(1, count);
}

device::PermutedRows alloc_permuted(Workspace::Scope& scope, i64 experts, i64 tokens, i64 topk) {
  return {.offsets = scope.alloc<i32>(experts + 1),
          .tokens = scope.alloc<i32>(tokens * topk),
          .slots = scope.alloc<i32>(tokens * topk),
          .row_of = scope.alloc<i32>(tokens, topk)};
}

}  // namespace

ExpertRanks::ExpertRanks(Ctx& ctx, comm::Comm& group, comm::Comm& moves, const Model& model,
                         std::vector<ExpertMap> maps, const ExpertRanksOptions& options)
    : ctx_(ctx),
      group_(group),
      options_(options),
      slots_(model, moves, std::move(maps)),
      hidden_(model.config().hidden_size),
      topk_(model.config().num_experts_per_tok),
      exchange_(group, slots_of_all(slots_, group.size()), options.wire, options.round_tokens,
                options.round_tokens),
      said_(static_cast<size_t>(group.size())),
      words_(static_cast<size_t>(group.size())),
      loads_(static_cast<size_t>(slots_.layers())),
      rank_loads_(loads_.size()),
      next_replica_(loads_.size()) {
  for (i64 l = 0; l < slots_.layers(); ++l) {
    if (!slots_.has_experts(l)) continue;
    const auto layer = static_cast<size_t>(l);
    const auto experts = static_cast<size_t>(slots_.map(l).experts());
    loads_[layer].assign(experts, 0);
    rank_loads_[layer].assign(said_.size(), 0);
    next_replica_[layer].assign(experts, group.rank());
    wanted_.resize(std::max(wanted_.size(), experts * said_.size()));
  }
}

void ExpertRanks::forward(const ExpertCall& call, View<const float, 2> x,
                          View<const i32, 2> topk_indices, View<const float, 2> topk_weights,
                          View<float, 2> y) {
  FATHOM_CHECK(slots_.has_experts(call.layer), "layer ", call.layer, " has no experts");
  const Said said{.layer = call.layer,
                  .activations = static_cast<i64>(call.mode.activations),
                  .prefill = call.mode.prefill ? 1 : 0};
  const i64 tokens = x.dim(0);
  for (i64 begin = 0; begin < tokens; begin += options_.round_tokens) {
    const i64 count = std::min(options_.round_tokens, tokens - begin);
    run_round({.layer = call.layer,
               .x = x.slice(0, begin, count),
               .topk_indices = topk_indices.slice(0, begin, count),
               .topk_weights = topk_weights.slice(0, begin, count),
               .y = y.slice(0, begin, count)},
              said);
  }
}

const std::vector<StepWord>& ExpertRanks::end_step(const StepWord& mine) {
  const Round nothing{.x = {nullptr, {0, hidden_}},
                      .topk_indices = {nullptr, {0, topk_}},
                      .topk_weights = {nullptr, {0, topk_}},
                      .y = {nullptr, {0, hidden_}}};
  while (run_round(nothing, {.over = 1, .word = mine})) {
  }
  for (size_t r = 0; r < words_.size(); ++r) words_[r] = said_[r].word;
  ++steps_;
  return words_;
}

/// False: all ranks' steps are over, and nothing was exchanged. What goes wrong on one rank in the
/// midst of a round would leave the others waiting: it ends the job.
bool ExpertRanks::run_round(const Round& round, const Said& said) {
  group_.set_place({.step = steps_, .layer = said.over != 0 ? -1 : static_cast<i32>(said.layer)});
  group_.all_gather(std::as_bytes(std::span(&said, 1)),
                    std::as_writable_bytes(std::span(said_.data(), said_.size())));
  const bool over = std::ranges::all_of(said_, [](const Said& each) { return each.over != 0; });
  if (over) return false;
  try {
    exchange(round);
  } catch (const comm::LostRanks&) {
    throw;
  } catch (const std::exception& error) {
    group_.abort(error.what());
  }
  return true;
}

void ExpertRanks::exchange(const Round& round) {
  Workspace::Scope scope(ctx_.workspace());
  const i64 tokens = round.x.dim(0);
  const auto kept = scope.alloc<i32>(tokens, topk_);
  std::fill_n(kept.data(), kept.size(), i32{-1});
  choose_slots(round, kept);
  const ExchangeCounts counts{scope.alloc<i64>(group_.size(), 1, exchange_.places(), 2)};
  exchange_.announce(ctx_, kept, counts);
  count_arrivals(counts);

  const i64 arrived = counts.rows_to(rank()), mine = exchange_.experts_of(rank());
  const SavedFormat format = received_format(options_.wire);
  const SavedMatrix rows = ops::saved_matrix_at(
      scope.alloc<u8>(ops::saved_matrix_bytes(format, arrived, hidden_)).data(), format, arrived,
      hidden_);
  const ArrivedRouting routing{scope.alloc<i32>(arrived, topk_), scope.alloc<float>(arrived, topk_),
                               scope.alloc<i32>(exchange_.passed_on_rows(counts), topk_)};
  exchange_.dispatch(ctx_, counts, kept, round.topk_weights, round.x, rows, routing);

  const device::PermutedRows own = alloc_permuted(scope, mine * group_.size(), tokens, topk_);
  const device::PermutedRows there = alloc_permuted(scope, mine, arrived, topk_);
  ops::group_by_expert(ctx_, kept, own);
  ops::group_by_expert(ctx_, routing.kept, there);
  const auto out = scope.alloc<float>(there.offsets(mine), hidden_);
  if (arrived > 0) run_arrived(counts, rows, routing, there, out);
  exchange_.combine(ctx_,
                    {.counts = counts,
                     .kept = kept,
                     .permuted = own,
                     .arrived_kept = routing.kept,
                     .arrived_rows = there,
                     .passed_on = routing.passed_on,
                     .order = round.topk_indices,
                     .weights = round.topk_weights},
                    out, round.y);
}

void ExpertRanks::count_arrivals(const ExchangeCounts& counts) {
  i64 largest = 0;
  for (i64 to = 0; to < size(); ++to) {
    i64 pairs = 0;
    for (i64 source = 0; source < size(); ++source) {
      const Said& said = said_[static_cast<size_t>(source)];
      if (said.over != 0) continue;
      const i64 of_source = counts.pairs(source, 0, to);
      rank_loads_[static_cast<size_t>(said.layer)][static_cast<size_t>(to)] += of_source;
      pairs += of_source;
    }
    largest = std::max(largest, pairs);
    all_pairs_ += pairs;
  }
  largest_pairs_ += largest;
}

double ExpertRanks::round_imbalance() const {
  if (all_pairs_ == 0) return 1.0;
  return static_cast<double>(largest_pairs_ * size()) / static_cast<double>(all_pairs_);
}

/// out[r] of every permuted row: its expert's result, times its weight where sums are made here
/// (the wires that send one row a token back). Rows of sources that want the same layer run
/// together.
void ExpertRanks::run_arrived(const ExchangeCounts& counts, const SavedMatrix& rows,
                              const ArrivedRouting& routing, const device::PermutedRows& permuted,
                              View<float, 2> out) {
  Workspace::Scope scope(ctx_.workspace());
  const auto x = scope.alloc<float>(rows.rows, hidden_);
  ops::load_matrix(ctx_, rows, x);
  const auto source_of = scope.alloc<i32>(rows.rows);  // rows lie source by source
  for (i64 source = 0, row = 0; source < size(); ++source) {
    for (const i64 end = counts.rows_before(source + 1, rank()); row < end; ++row) {
      source_of(row) = static_cast<i32>(source);
    }
  }
  const auto said_of = [&](i64 pair) -> const Said& {
    return said_[static_cast<size_t>(source_of(permuted.tokens(pair)))];
  };
  const i64 pairs = out.dim(0);
  const auto done = scope.alloc<u8>(pairs);
  std::fill_n(done.data(), pairs, u8{0});
  const auto ids = scope.alloc<i32>(pairs);
  for (i64 first = 0; first < pairs; ++first) {
    if (done(first) != 0) continue;
    i64 count = 0;
    for (i64 pair = first; pair < pairs; ++pair) {
      if (done(pair) != 0 || !said_of(pair).same_call(said_of(first))) continue;
      ids(count++) = static_cast<i32>(pair);
      done(pair) = 1;
    }
    run_call(said_of(first), ids.slice(0, 0, count), x, routing, permuted, out);
  }
}

void ExpertRanks::run_call(const Said& said, View<const i32, 1> ids, View<const float, 2> x,
                           const ArrivedRouting& routing, const device::PermutedRows& permuted,
                           View<float, 2> out) {
  Workspace::Scope scope(ctx_.workspace());
  const i64 pairs = ids.dim(0);
  const auto tokens = scope.alloc<i32>(pairs);
  const auto slots = scope.alloc<i32>(pairs, 1);
  const auto weights = scope.alloc<float>(pairs, 1);
  for (i64 i = 0; i < pairs; ++i) {
    const i64 token = permuted.tokens(ids(i)), choice = permuted.slots(ids(i));
    tokens(i) = static_cast<i32>(token);
    slots(i, 0) = routing.kept(token, choice);
    weights(i, 0) = options_.wire == ExpertWire::kF32 ? 1.0f : routing.weights(token, choice);
  }
  const auto gathered = scope.alloc<float>(pairs, hidden_);
  const auto results = scope.alloc<float>(pairs, hidden_);
  ops::gather_rows(ctx_, x, tokens, gathered);
  const device::LinearMode mode{static_cast<device::Activations>(said.activations),
                                said.prefill != 0};
  ops::moe_experts_forward(ctx_, gathered, slots_.of(said.layer), slots, weights, results, mode);
  for (i64 i = 0; i < pairs; ++i) std::copy_n(results.row(i), hidden_, out.row(ids(i)));
}

std::vector<std::vector<i64>> ExpertRanks::take_loads() {
  std::vector<std::vector<i64>> taken = loads_;
  for (auto& layer : loads_) std::fill(layer.begin(), layer.end(), i64{0});
  return taken;
}

void ExpertRanks::clear_rank_loads(i64 layer) {
  auto& loads = rank_loads_[static_cast<size_t>(layer)];
  std::fill(loads.begin(), loads.end(), i64{0});
}

}  // namespace fathom::model
