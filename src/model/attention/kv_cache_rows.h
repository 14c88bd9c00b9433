#pragma once
// What stands behind KvCache. One Buffer holds all layers, the MTP modules' after the
// main ones; the system commits its pages as rows are written, so a long capacity costs nothing at
// first.
#include <algorithm>
#include <vector>

#include "model/attention/kv_cache.h"
#include "tensor/buffer.h"

namespace fathom::model {

/// Cached rows of one layer of one sequence: [capacity, cols] encoded as `layout` says.
///   MLA    [kv_lora_rank + rope]: the latent after kv_a_layernorm, then the rotated shared key.
///          kFp8 quantises the latent and keeps the rope part in BF16.
///   Llama  [kv_heads * head_dim | kv_heads * head_dim]: rotated keys, then values; kFp8 quantises
///          all of it.
struct CacheRows {
  ops::CacheRowLayout layout;
  u8* data = nullptr;
};

struct KvCache::Impl {
  ops::CacheRowLayout layout;
  i64 num_layers = 0;  // main layers
  i64 capacity_tokens = 0;
  i64 layer_bytes = 0;                 // from one layer's first row to the next's
  i64 length_tokens = 0;               // rows that count, of each main layer
  std::vector<i64> mtp_length_tokens;  // rows that count, of the MTP module of depth 1, 2, ...
  Buffer buffer;

  i64 num_mtp() const { return static_cast<i64>(mtp_length_tokens.size()); }

  /// `layer` in [0, num_layers + num_mtp()).
  CacheRows rows(i64 layer) {
    FATHOM_CHECK(layer >= 0 && layer < num_layers + num_mtp(), "layer ", layer, " of a cache of ",
                 num_layers, " + ", num_mtp());
    return {layout, buffer.data() + layer * layer_bytes};
  }

  /// The module of `depth` has written rows [begin, begin + tokens); deeper ones ate what stood
  /// there before.
  void set_mtp_length(i64 depth, i64 begin, i64 tokens) {
    mtp_length_tokens[static_cast<size_t>(depth - 1)] = begin + tokens;
    for (i64 k = depth; k < num_mtp(); ++k) {
      i64& length = mtp_length_tokens[static_cast<size_t>(k)];
      length = std::min(length, begin);
    }
  }
};

/// How one row is stored for this config.
ops::CacheRowLayout cache_row_layout(const ModelConfig& config, ops::CacheDType dtype);

}  // namespace fathom::model
