#pragma once
// The [optimizer] section of a run file. Source of the defaults: DeepSeek-V3 §4.2; it gives no eps.
#include "base/types.h"
#include "config/field_list.h"

namespace fathom {

struct OptimizerConfig {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
  double clip_norm = 1.0;
  bool bf16_moments = false;
  double ema_decay = 0.0;

  void list_fields(FieldList& list);
};

}  // namespace fathom
