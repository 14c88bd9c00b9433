#pragma once
// Attention of any queries over tiles of keys, in f32.
#include <cstdint>

#include "kernels/api/attention.h"

namespace fathom::kernels::cpu {

struct AttentionTable {
  void (*attention_tile_units)(const AttentionTileArgs&, int64_t begin, int64_t end,
                               float* scratch);
};

}  // namespace fathom::kernels::cpu
