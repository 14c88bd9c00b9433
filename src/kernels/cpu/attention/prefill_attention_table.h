#pragma once
// Attention of many queries of one sequence, in BF16 dot products.
#include <cstdint>

#include "kernels/api/prefill_attention.h"

namespace fathom::kernels::cpu {

struct PrefillAttentionTable {
  // Units of [heads, blocks], [heads, parts] and [heads, blocks].
  void (*pack_prefill_queries)(const PrefillAttentionArgs&, int64_t begin, int64_t end);
  void (*prefill_attention_units)(const PrefillAttentionArgs&, int64_t begin, int64_t end,
                                  void* scratch);
  void (*prefill_attention_end)(const PrefillAttentionArgs&, int64_t begin, int64_t end);
};

}  // namespace fathom::kernels::cpu
