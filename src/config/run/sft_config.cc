#include "config/run/sft_config.h"

namespace fathom {

void SftConfig::list_fields(FieldList& list) {
  list.add("epochs", epochs,
           "length of the run where train.steps and train.tokens are not given (V3: 2)",
           {.min = 0, .max = 1e6});
  list.add("chat_template", chat_template,
           "a built-in template by name; empty: the one that the tokenizer's directory brings");
  list.add("loss", loss, kSftLossNames,
           "mean over the supervised tokens of the whole step, or over its samples' means");
  list.add("too_long", too_long, kSftTooLongNames,
           "what becomes of samples longer than data.seq_len; cut-prompt keeps every target or "
           "drops the sample");
  list.add("freeze_router_bias", freeze_router_bias,
           "the balance rule does not move the router's bias");
}

}  // namespace fathom
