#pragma once
// Linear of prefill, in panels of 16 tokens: weights are decoded once for all of them.
#include <cstdint>

#include "kernels/api/token_panels.h"

namespace fathom::kernels::cpu {

struct PrefillLinearTable {
  bool takes_minima;                                    // of weights' groups
  int64_t (*panel_bytes)(PanelForm, int64_t k_padded);  // of one panel
  void (*pack_panels)(const PackPanelsArgs&, int64_t begin, int64_t end);
  void (*panel_linear_rows)(const PanelLinearArgs&, int64_t begin, int64_t end, void* scratch);
  /// Rows of gate and up: whole kGatedRows, and to the end of the padding. nullptr: do it in steps.
  void (*panel_gated_rows)(const PanelGatedArgs&, int64_t begin, int64_t end, void* scratch);
};

}  // namespace fathom::kernels::cpu
