#pragma once
// How large a model is, from its config alone.
#include <array>
#include <map>

#include "base/dtype.h"
#include "base/types.h"
#include "config/model/model_config.h"
#include "config/model/parameter_list.h"

namespace fathom::plan {

/// Parameters of one part: all of them, and those one token uses (of the routed experts
/// num_experts_per_tok, of everything else all).
struct PartSize {
  i64 total = 0;
  i64 active = 0;
};

struct ModelSize {
  std::array<PartSize, kNumModelParts> parts = {};  // by ModelPart; the main model and, apart, kMtp

  /// The main model: every part but kMtp. V3: 671.026 B.
  i64 total = 0;
  /// Used for one token, embedding and head counted whole. V3: 37.552 B.
  i64 active = 0;
  /// The same without the input embedding, of which a token reads one row (V3: 36.626 B). A tied
  /// matrix counts, because it is the head.
  i64 active_without_embedding = 0;
  /// The MTP modules without their copies of embedding and head (V3: 11.610 B), and with them (as
  /// stored: 13.463 B).
  i64 mtp = 0;
  i64 mtp_with_copies = 0;

  i64 attention_per_layer = 0;  // latent norms included
  i64 one_expert = 0;           // 0 without experts
  i64 moe_layer_ffn = 0;        // router, routed and shared experts of one layer
  i64 dense_layer_ffn = 0;      // 0 if every layer has experts

  /// Bytes of a checkpoint as the config says it is stored, MTP and its copies included: FP8
  /// matrices with their f32 scales, the router's bias in f32, everything else in torch_dtype.
  std::map<DType, i64> bytes_by_dtype;
  i64 checkpoint_bytes = 0;
  i64 num_tensors = 0;  // weight_scale_inv counted
  /// Bytes of weights that decoding one token reads: active ones without the embedding table.
  i64 read_bytes_per_token = 0;

  const PartSize& part(ModelPart p) const { return parts[static_cast<size_t>(p)]; }
};

/// The config must be valid. Takes a fraction of a second for any valid config.
ModelSize model_size(const ModelConfig& config);

/// Bytes of KV cache one token takes over all main layers, by how the cache is stored:
///   kF32, kBF16  every number in that dtype. V3 in BF16: 576 * 61 * 2 = 70,272
///   kF8E4M3      MLA: the latent in E4M3 with one f32 scale per 128 numbers, the rope part in BF16
///                (V3: 656 a layer); MHA/GQA: all numbers in E4M3 with one f32 scale per 128
/// Throws InternalError for another dtype.
i64 cache_bytes_per_token(const ModelConfig& config, DType dtype);

}  // namespace fathom::plan
