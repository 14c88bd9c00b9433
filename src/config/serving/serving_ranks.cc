#include "config/serving/serving_ranks.h"

#include <fmt/format.h>

namespace fathom {

void ServingRanks::list_fields(FieldList& list) {
  list.add("count", count,
           "threads of this process that each answer some of the requests and hold some of the "
           "experts",
           {.min = 1, .max = kMaxServingRanks});
  list.add("prefill", prefill,
           "of these, ranks that compute prompts alone and hand their rows to the others, which "
           "decode; 0: every rank does both",
           {.min = 0, .max = kMaxServingRanks - 1});
  list.add("handover_s", handover_s,
           "for which one side of a hand-over waits for the other, in each of its states",
           {.min = 0.01});
  list.add("wire", wire, kWireFormatNames,
           "how tokens travel to their experts; f32: answers are one rank's to the bit");
  list.add("redundant_experts", redundant_experts,
           "slots of a layer beyond one for each expert: replicas of those with most tokens",
           {.min = 0, .max = 1 << 16});
  list.add(
      "balance_every", balance_every,
      "steps between looks at the experts' loads, after which they may change places; 0: never",
      {.min = 0, .max = 1e12});
  list.add("loads_file", loads_file,
           "where each look writes them, for `fathom plan balance`; \"\": nowhere");
  list.add("replicas", replicas, kReplicaRuleNames,
           "which replica of an expert a token goes to: one after the other, or computed for every "
           "layer and step for the least largest load of a rank");
  list.add("active_experts", active_experts,
           "with flow: experts of a layer that a rank works on in a step at most, where that costs "
           "little balance; 0: any number",
           {.min = 0, .max = 1 << 16});
  list.add("deadline_s", deadline_s, "for which a rank waits for another before serving ends",
           {.min = 1});
}

void ServingRanks::check(const std::string& prefix, Problems& problems) const {
  if (prefill < count || prefill == 0) return;
  problems.invalid(prefix + "prefill",
                   fmt::format("{} of {} ranks would compute prompts, and none is left to decode: "
                               "expected fewer than ranks.count",
                               prefill, count));
}

}  // namespace fathom
