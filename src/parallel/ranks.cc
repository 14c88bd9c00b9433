#include "parallel/ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "parallel/stage_split.h"

namespace fathom::parallel {
namespace {

/// fn(number) for every integer of the statistics, in a fixed order.
template <typename Fn>
void for_integers(model::StepStats& stats, Fn&& fn) {
  for (i64* number : {&stats.targets, &stats.dropped, &stats.tokens}) fn(*number);
  for (auto* list : {&stats.mtp_targets, &stats.mtp_drafts, &stats.mtp_accepted}) {
    for (i64& number : *list) fn(number);
  }
  for (auto& counts : stats.expert_counts) {
    for (i64& number : counts) fn(number);
  }
}

template <typename Fn>
void for_doubles(model::StepStats& stats, Fn&& fn) {
  fn(stats.nll);
  for (auto* list : {&stats.mtp_nll, &stats.balance_losses, &stats.router_entropy}) {
    for (double& number : *list) fn(number);
  }
}

void sum_in_rank_order(comm::Comm& group, std::span<double> values) {
  std::vector<double> all(values.size() * static_cast<size_t>(group.size()));
  group.all_gather(std::as_bytes(values), std::as_writable_bytes(std::span(all)));
  std::ranges::fill(values, 0.0);
  for (size_t i = 0; i < all.size(); ++i) values[i % values.size()] += all[i];
}

}  // namespace

Ranks::Ranks(comm::Comm& world, const ParallelConfig& config, const ModelConfig& model,
             i64 max_tokens)
    : groups_(world, rank_layout(config, world.size())),
      expert_room_(config.expert_room),
      tied_ends_(model.tie_word_embeddings && layout().ends_apart()) {
  if (layout().pipeline > 1) {
    const plan::Schedule any_length = layout().schedule_of(2 * layout().pipeline);
    stages_ = stages_of_rank(model, any_length, layout().pipeline_rank(world.rank()));
  }
  if (layout().expert == 1) return;
  exchange_.emplace(groups_.experts(), model.n_routed_experts, model::expert_wire(config.wire),
                    max_tokens, config.round_tokens);
  backward_exchange_.emplace(groups_.experts_backward(), model.n_routed_experts,
                             model::expert_wire(config.wire), max_tokens, config.round_tokens);
}

std::string Ranks::nodes() const {
  const comm::Comm& world = groups_.world();
  std::string list;
  for (int first = 0, next = 0; first < world.size(); first = next) {
    while (next < world.size() && world.node_of(next) == world.node_of(first)) ++next;
    list += fmt::format("{}{}", first == 0 ? "" : ", ", first);
    if (next - first > 1) list += fmt::format("-{}", next - 1);
  }
  const char* hops = !exchange_              ? ""
                     : exchange_->two_hops() ? "; tokens go to their experts in two hops"
                                             : "; tokens go to their experts in one hop";
  return fmt::format("nodes of ranks {}{}", list, hops);
}

model::RankPart Ranks::part() {
  return {.exchange = exchange_ ? &*exchange_ : nullptr,
          .backward_exchange = backward_exchange_ ? &*backward_exchange_ : nullptr,
          .expert_room = expert_room_,
          .stages = stages_};
}

Shards Ranks::shards(const checkpoint::ParameterLayout& layout) const {
  return {layout, groups_.place(Holders::kDense), groups_.place(Holders::kExperts),
          tied_ends_ ? std::optional(groups_.place(Holders::kEnds)) : std::nullopt};
}

bool Ranks::any(bool mine) {
  i64 flag = mine ? 1 : 0;
  world().all_reduce_i64({&flag, 1}, comm::Reduce::kMax);
  return flag != 0;
}

void Ranks::max(std::span<double> values) {
  std::vector<double> all(values.size() * static_cast<size_t>(world().size()));
  world().all_gather(std::as_bytes(values), std::as_writable_bytes(std::span(all)));
  for (size_t i = 0; i < all.size(); ++i) {
    double& value = values[i % values.size()];
    value = std::max(value, all[i]);
  }
}

void Ranks::sum(std::span<double> values) {
  if (!values.empty()) sum_in_rank_order(world(), values);
}

std::string Ranks::first_message(const std::string& mine) {
  const i64 size = world().size();
  i64 first = mine.empty() ? 0 : size - groups_.rank();
  world().all_reduce_i64({&first, 1}, comm::Reduce::kMax);
  if (first == 0) return "";
  const int rank = static_cast<int>(size - first);
  std::string text = mine;
  i64 length = std::ssize(text);
  world().broadcast(std::as_writable_bytes(std::span(&length, 1)), rank);
  text.resize(static_cast<size_t>(length));
  world().broadcast(std::as_writable_bytes(std::span(text)), rank);
  return size == 1 ? text : fmt::format("rank {}: {}", rank, text);
}

void sum_stats(comm::Comm& group, model::StepStats& stats) {
  std::vector<i64> integers;
  for_integers(stats, [&](i64& number) { integers.push_back(number); });
  group.all_reduce_i64(integers, comm::Reduce::kSum);
  size_t next = 0;
  for_integers(stats, [&](i64& number) { number = integers[next++]; });

  std::vector<double> doubles;
  for_doubles(stats, [&](double& number) { doubles.push_back(number); });
  sum_in_rank_order(group, doubles);
  next = 0;
  for_doubles(stats, [&](double& number) { number = doubles[next++]; });
}

}  // namespace fathom::parallel
