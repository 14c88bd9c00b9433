#pragma once
// What of a model one rank holds and runs.
#include <vector>

#include "config/model/model_config.h"
#include "config/model/parameter_list.h"
#include "model/exchange/expert_exchange.h"

namespace fathom::model {

/// Consecutive layers that a micro-batch passes through on one rank, and what stands at the ends.
struct StageLayers {
  i64 first = 0;
  i64 count = 0;
  bool embedding = false;  // the first stage
  bool head = false;       // the last: final norm, MTP modules, head, losses
  /// The head's stage is given its MTP modules' embeddings; else the rank has the embedding.
  bool embeddings_arrive = false;

  i64 end() const { return first + count; }
  bool holds(const ModelConfig& config, const Parameter& parameter) const;
};
StageLayers whole_model(const ModelConfig& config);

struct RankPart {
  ExpertExchange* exchange = nullptr;  // of every MoE layer; must outlive the model. nullptr: all
                                       // experts are here
  ExpertExchange* backward_exchange = nullptr;  // another, of the same ranks: a backward pass may
                                                // run beside a forward pass
  double expert_room = 0.0;                     // ExpertExchange::room's share
  std::vector<StageLayers> stages;              // empty: the whole model

  bool holds(const ModelConfig& config, const Parameter& parameter) const;
  /// A stage here has a head that is the embedding.
  bool has_tied_head(const ModelConfig& config) const;
};

}  // namespace fathom::model
