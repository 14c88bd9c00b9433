#pragma once
// How a step of inference computes.
#include "ops/linear/linear.h"

namespace fathom::model {

struct StepProfile;

/// Which form of MLA runs. kAuto: the cheaper one for the tokens at hand, cheaper_mla_form() in
/// mla.h: expanded for prefill, absorbed for decode and short appends.
enum class MlaForm { kAuto, kExpanded, kAbsorbed };

struct RunOptions {
  ops::Activations activations = ops::Activations::kBf16;
  MlaForm mla_form = MlaForm::kAuto;
  StepProfile* profile = nullptr;  // added to if there is one; reads the clock twice a part
};

}  // namespace fathom::model
