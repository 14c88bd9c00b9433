#include "config/run/optimizer_config.h"

namespace fathom {

void OptimizerConfig::list_fields(FieldList& list) {
  constexpr double kBelowOne = 1.0 - 1e-9;
  list.add("beta1", beta1, "AdamW's decay of the gradient's mean", {.min = 0, .max = kBelowOne});
  list.add("beta2", beta2, "AdamW's decay of the gradient's square", {.min = 0, .max = kBelowOne});
  list.add("eps", eps, "added to the root of the mean square", {.min = 0});
  list.add("weight_decay", weight_decay, "decoupled; of matrices only, no norm and no bias",
           {.min = 0});
  list.add("clip_norm", clip_norm,
           "gradients are scaled down to this norm over all parameters; 0: never", {.min = 0});
  list.add("bf16_moments", bf16_moments,
           "keep AdamW's two moments in BF16 (V3 §3.3.3): 4 bytes a parameter less");
  list.add("ema_decay", ema_decay,
           "of an average of the weights, saved as model-ema beside the model; 0: none",
           {.min = 0, .max = kBelowOne});
}

}  // namespace fathom
