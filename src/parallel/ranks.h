#pragma once
// What a training run has because it is one of several ranks: groups, the exchange of experts, and
// agreements. One rank is no special case: its groups have one member.
#include <optional>
#include <string>
#include <vector>

#include "model/training/training_model.h"
#include "parallel/groups.h"

namespace fathom::parallel {

class Ranks {
 public:
  /// `max_tokens`: of a micro-batch. `world` must outlive it. layout_problems() must be empty.
  Ranks(comm::Comm& world, const ParallelConfig& config, const ModelConfig& model, i64 max_tokens);

  Groups& groups() { return groups_; }
  comm::Comm& world() { return groups_.world(); }
  const RankLayout& layout() const { return groups_.layout(); }
  bool is_root() const { return groups_.rank() == 0; }
  i64 data_rank() const { return layout().data_rank(groups_.rank()); }
  /// How many of `batches` micro-batches of this rank's share, `filled` of them with sequences, it
  /// has to run: empty ones too where other ranks wait for its experts or its stage.
  i64 batches_to_run(i64 batches, i64 filled) const {
    return exchange_ || layout().pipeline > 1 ? batches : filled;
  }

  /// How the ranks lie on nodes, and in how many hops tokens go, for the log: narrow wires round by
  /// it.
  std::string nodes() const;
  /// What the model of this rank is made with.
  model::RankPart part();
  /// Of a model with that layout.
  Shards shards(const checkpoint::ParameterLayout& layout) const;

  /// Collective: true on all ranks if it is on one.
  bool any(bool mine);
  /// Collective: the largest on any rank, one by one.
  void max(std::span<double> values);
  /// Collective: every rank's added up on all, in rank order, one by one.
  void sum(std::span<double> values);
  /// Collective: the message of the first rank that has one, with its number; empty if none has.
  std::string first_message(const std::string& mine);

 private:
  Groups groups_;
  double expert_room_;
  bool tied_ends_;  // the embedding is the head, on another rank
  std::vector<model::StageLayers> stages_;
  std::optional<model::ExpertExchange> exchange_, backward_exchange_;
};

/// The sum of every rank's statistics on all ranks: integers exactly, the others in rank order.
void sum_stats(comm::Comm& group, model::StepStats& stats);

}  // namespace fathom::parallel
