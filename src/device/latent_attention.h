#pragma once
#include "device/op.h"
#include "device/paged_rows.h"
#include "tensor/view.h"

namespace fathom::device {

/// Does latent_attention_forward take such a cache here?
struct TakesLatentCache {
  static constexpr const char* kName = "takes_latent_cache";
  using Answer = bool;
  CacheRowLayout layout;
  i64 rank;
};

struct LatentAttentionForward {
  static constexpr const char* kName = "latent_attention_forward";
  View<const float, 3> q_latent, q_rope;
  View<const i64, 1> positions;
  CacheRowLayout layout;
  View<u8* const* const, 1> pages;
  i64 offset_bytes;
  float scale;
  View<float, 3> out;
};

}  // namespace fathom::device
