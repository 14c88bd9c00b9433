#include "config/run/sample_config.h"

namespace fathom {

void SampleConfig::list_fields(FieldList& list) {
  list.add("per_prompt", per_prompt, "answers that are drawn to each prompt",
           {.min = 1, .max = 65536});
  list.add("keep", keep, "at most so many different ones are kept", {.min = 1, .max = 65536});
  list.add("temperature", temperature, "of the draws; 0: the likeliest token",
           {.min = 0, .max = 10});
  list.add("top_p", top_p, "draws are from the smallest set with so much probability",
           {.min = 1e-3, .max = 1});
  list.add("max_new_tokens", max_new_tokens, "longest answer; what it cuts is not kept",
           {.min = 1, .max = 1 << 20});
  list.add("least_reward", least_reward, "answers that earn less by [reward] are not kept");
  list.add("prefer", prefer, kSamplePreferenceNames, "which good answers are kept first");
  list.add("parallel", parallel, "answers that are generated at a time", {.min = 1, .max = 65536});
}

}  // namespace fathom
