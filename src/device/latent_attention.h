#pragma once
#include "device/op.h"
#include "device/quantize.h"
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
  const u8* cache;
  i64 keys;
  float scale;
  View<float, 3> out;
};

}  // namespace fathom::device
