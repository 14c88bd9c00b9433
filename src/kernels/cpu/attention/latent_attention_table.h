#pragma once
// Absorbed MLA straight from a BF16 cache.
#include <cstdint>

#include "kernels/api/latent_attention.h"

namespace fathom::kernels::cpu {

struct LatentAttentionTable {
  void (*pack_latent_queries)(const LatentAttentionArgs&, int64_t begin, int64_t end);  // blocks
  void (*latent_attention_items)(const LatentAttentionArgs&, int64_t begin, int64_t end,
                                 void* scratch);
  void (*latent_attention_fold)(const LatentAttentionArgs&, int64_t begin, int64_t end);  // rows
};

}  // namespace fathom::kernels::cpu
