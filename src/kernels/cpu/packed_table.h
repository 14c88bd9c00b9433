#pragma once
// What one instruction set offers for inference beyond the kernels of IsaTable: weights packed as
// integers, absorbed MLA straight from a BF16 cache, attention of prompts. Filled by
// packed_<isa>.cc; reached through IsaTable::packed.
#include <cstdint>

#include "kernels/api/latent_attention.h"
#include "kernels/api/packed.h"
#include "kernels/api/prompt_attention.h"
#include "kernels/api/token_panels.h"

namespace fathom::kernels::cpu {

struct PackedTable {
  /// Activations as f32 multiples of their scale, for linear_rows().
  void (*quantize_group_rows_f32)(const QuantizeGroupsArgs&, int64_t begin, int64_t end);
  /// Activations as units of codes, and the product with them; nullptr where the set has no
  /// products of bytes.
  void (*quantize_group_rows)(const QuantizeGroupsArgs&, int64_t begin, int64_t end);
  void (*linear_rows)(const PackedLinearArgs&, int64_t begin, int64_t end);  // rows of w

  // Many rows, tokens in the lanes; nullptr where the set has no such kernels.
  int64_t (*panel_bytes)(PanelForm, int64_t k_padded);  // of one panel
  void (*pack_panels)(const PackPanelsArgs&, int64_t begin, int64_t end);
  void (*panel_linear_rows)(const PanelLinearArgs&, int64_t begin, int64_t end, void* scratch);
  /// Rows of gate and up: whole kGatedRows, and to the end of the padding. nullptr: do it in steps.
  void (*panel_gated_rows)(const PanelGatedArgs&, int64_t begin, int64_t end, void* scratch);

  // Absorbed MLA; nullptr where the set has no dot product of BF16 pairs.
  void (*pack_latent_queries)(const LatentAttentionArgs&, int64_t begin, int64_t end);  // blocks
  void (*latent_attention_chunks)(const LatentAttentionArgs&, int64_t begin, int64_t end,
                                  void* scratch);
  void (*latent_attention_fold)(const LatentAttentionArgs&, int64_t begin, int64_t end);  // rows

  // Attention of prompts; nullptr where the set has no dot product of BF16 pairs. Units of [heads,
  // blocks], [heads, parts] and [heads, blocks].
  void (*pack_prompt_queries)(const PromptAttentionArgs&, int64_t begin, int64_t end);
  void (*prompt_attention_units)(const PromptAttentionArgs&, int64_t begin, int64_t end,
                                 void* scratch);
  void (*prompt_attention_end)(const PromptAttentionArgs&, int64_t begin, int64_t end);
};

}  // namespace fathom::kernels::cpu
