#pragma once
// How a model that is served lies over the ranks of its process.
#include <string>

#include "config/field_list.h"
#include "config/run/parallel_config.h"

namespace fathom {

/// Threads of one process: in every round each speaks with every other.
inline constexpr i64 kMaxServingRanks = 64;

/// Which replica of an expert a token goes to. kTurns: one after the other. kFlow: computed for
/// every layer and step, for the least largest load of a rank (V3 §3.4.1).
enum class ReplicaRule { kTurns, kFlow };
inline constexpr std::array<std::pair<ReplicaRule, std::string_view>, 2> kReplicaRuleNames = {{
    {ReplicaRule::kTurns, "turns"},
    {ReplicaRule::kFlow, "flow"},
}};

/// [ranks] of `fathom serve`.
struct ServingRanks {
  i64 count = 1;
  i64 prefill = 0;
  double handover_s = 10;
  WireFormat wire = WireFormat::kF32;
  i64 redundant_experts = 0;
  i64 balance_every = 0;
  std::string loads_file;
  ReplicaRule replicas = ReplicaRule::kTurns;
  i64 active_experts = 0;
  double deadline_s = 600;

  void list_fields(FieldList& list);
  /// Rules across fields.
  void check(const std::string& prefix, Problems& problems) const;
};

}  // namespace fathom
