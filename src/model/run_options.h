#pragma once
// How a step of inference computes.
#include <functional>

#include "ops/linear/linear.h"

namespace fathom::model {

class ExpertRanks;
struct StepProfile;

/// Which form of MLA runs. kAuto: the cheaper one for the tokens at hand, cheaper_mla_form() in
/// mla.h: expanded for prefill, absorbed for decode and short appends.
enum class MlaForm { kAuto, kExpanded, kAbsorbed };

struct RunOptions {
  ops::Activations activations = ops::Activations::kBf16;
  MlaForm mla_form = MlaForm::kAuto;
  StepProfile* profile = nullptr;  // added to if there is one; reads the clock twice a part
  /// Called within layers, if there is one: between the tiles of keys that attention visits, and
  /// between attention and feed-forward. Other steps may run in it, on the same context and other
  /// caches; the numbers do not change by that. What it throws, the pass throws.
  const std::function<void()>* pause = nullptr;
  /// Of a model whose experts are on several ranks: the way to them. A pass of one rank is then one
  /// of all of them (expert_ranks/expert_ranks.h). nullptr: all experts are here.
  ExpertRanks* ranks = nullptr;

  void pause_if_asked() const {
    if (pause != nullptr) (*pause)();
  }
};

}  // namespace fathom::model
