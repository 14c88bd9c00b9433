#include "config/run/distill_config.h"

namespace fathom {

void DistillConfig::list_fields(FieldList& list) {
  list.add("teacher", teacher, "model directory with the student's tokenizer");
  list.add("store", store,
           "directory of what the teacher thinks of every sample, made where it is not there; "
           "empty: RUN/teacher");
  list.add("top_k", top_k,
           "likeliest tokens that are kept of the teacher, beside the mass of all others",
           {.min = 1, .max = 65535});
  list.add("divergence", divergence, kDivergenceNames,
           "forward covers all that the teacher says, reverse seeks what it says most, jsd lies "
           "between");
  list.add("beta", beta, "of jsd: towards forward at 0, towards reverse at 1",
           {.min = 1e-3, .max = 0.999});
  list.add("temperature", temperature, "that both distributions are softened by",
           {.min = 0.1, .max = 100});
  list.add("nll_weight", nll_weight,
           "of the text's own tokens in the loss; the divergence has the rest",
           {.min = 0, .max = 0.999});
  list.add("on_policy", on_policy,
           "share of the samples whose answer the student writes and the teacher judges (GKD's "
           "lambda); above 0 the teacher stays in memory",
           {.min = 0, .max = 1});
  list.add("max_new_tokens", max_new_tokens, "longest answer of the student's own",
           {.min = 1, .max = 1 << 20});
  list.add("sample_temperature", sample_temperature, "of the student's answers",
           {.min = 0.05, .max = 10});
  list.add("parallel", parallel, "answers that are generated at a time", {.min = 1, .max = 65536});
}

}  // namespace fathom
