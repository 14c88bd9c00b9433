#pragma once
// Attention of many queries of one sequence, in BF16 dot products.
#include <cstdint>

#include "kernels/api/prompt_attention.h"

namespace fathom::kernels::cpu {

struct PrefillAttentionTable {
  // Units of [heads, blocks], [heads, parts] and [heads, blocks].
  void (*pack_prefill_queries)(const PromptAttentionArgs&, int64_t begin, int64_t end);
  void (*prefill_attention_units)(const PromptAttentionArgs&, int64_t begin, int64_t end,
                                  void* scratch);
  void (*prefill_attention_end)(const PromptAttentionArgs&, int64_t begin, int64_t end);
};

}  // namespace fathom::kernels::cpu
