#pragma once
// What stands behind KvCache. A page holds the rows of all layers, the MTP modules' after the main
// ones. Where routes are kept, a token's are u16 numbers [main MoE layers, topk], cut into rows of
// as many further layers as that takes: whatever shares or copies rows takes them along.
#include <algorithm>
#include <vector>

#include "model/attention/kv_cache.h"
#include "tensor/buffer.h"

namespace fathom::model {

/// Rows of one layer of one sequence, encoded as `layout` says.
///   MLA    [kv_lora_rank + rope]: the latent after kv_a_layernorm, then the rotated shared key.
///          kFp8 quantises the latent and keeps the rope part in BF16.
///   Llama  [kv_heads * head_dim | kv_heads * head_dim]: rotated keys, then values; kFp8 quantises
///          all of it.
struct KvCache::Impl {
  ops::CacheRowLayout layout;
  i64 num_layers = 0;                  // main layers
  i64 max_tokens = 0;                  // pages may hold at most so many
  i64 length_tokens = 0;               // rows that count, of each main layer
  std::vector<i64> mtp_length_tokens;  // rows that count, of the MTP module of depth 1, 2, ...
  std::vector<u8*> pages;
  Buffer buffer;  // the cache's own pages; empty if they are lent
  std::vector<i64>
      route_begin;  // [main layers] of the layer's choices in a token's; -1: no experts
  i64 topk = 0, routes_per_token = 0;  // 0: routes are not kept

  i64 num_mtp() const { return static_cast<i64>(mtp_length_tokens.size()); }
  i64 capacity_tokens() const {
    return std::min(max_tokens, static_cast<i64>(pages.size()) * device::kPageTokens);
  }

  /// Of the layer's rows within a page; `layer` in [0, num_layers + num_mtp()).
  i64 layer_offset_bytes(i64 layer) const {
    FATHOM_CHECK(layer >= 0 && layer < num_layers + num_mtp(), "layer ", layer, " of a cache of ",
                 num_layers, " + ", num_mtp());
    return layer * device::kPageTokens * layout.row_bytes();
  }
  ops::PagedRows rows(i64 layer) const {
    return {.layout = layout, .pages = pages.data(), .offset_bytes = layer_offset_bytes(layer)};
  }

  bool keeps_routes_of(i64 layer) const {
    return layer < std::ssize(route_begin) && route_begin[static_cast<size_t>(layer)] >= 0;
  }
  void write_route(i64 token, i64 layer, View<const i32, 1> chosen) const;
  u16 route(i64 token, i64 index) const;
  u8* route_place(i64 token, i64 index) const;

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
