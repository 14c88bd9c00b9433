#pragma once
// The one enumeration of a checkpoint's tensors from its config alone: names, shapes, kinds, parts.
// The loader checks files against it, plan sums over it, initialisation and export walk it.
#include <array>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/types.h"
#include "config/model/model_config.h"

namespace fathom {

/// How a tensor may be stored.
enum class ParameterKind {
  kMatrix,      // [out, in], a linear layer; FP8 with `weight_scale_inv` if the config is quantised
  kMatrixBf16,  // [out, in], never FP8: embedding, head, router gate, eh_proj
  kNorm,        // [dim], a norm's weight
  kBias,        // [out], a linear layer's bias
  kRouterBias,  // [experts], e_score_correction_bias; f32
};

/// Where the parameters are, for tables.
enum class ModelPart {
  kEmbedding,
  kHead,
  kAttention,
  kDenseFfn,
  kRoutedExperts,
  kSharedExperts,
  kRouter,
  kNorms,  // of the residual stream; the latent norms count as attention
  kMtp     // everything of the MTP modules
};
inline constexpr int kNumModelParts = 9;
std::string_view to_string(ModelPart part);  // "routed experts"

struct Parameter {
  std::string name;  // "model.layers.3.mlp.experts.17.up_proj.weight"
  std::vector<i64> shape;
  ParameterKind kind = ParameterKind::kMatrix;
  ModelPart part = ModelPart::kAttention;
  /// As `part`, but of an MTP module's block what it would be in a layer: its attention, its
  /// experts.
  ModelPart role = ModelPart::kAttention;
  i64 layer = -1;   // main layers 0 .. L-1, MTP modules L ..; -1 outside the layers
  i64 expert = -1;  // routed expert
  /// MTP's embed_tokens and shared_head.head: copies of the main model's, which a file may lack.
  bool shared_copy = false;

  i64 elements() const;
};

/// Visits every tensor in the order of the forward pass; MTP modules last. Tensors of tied heads
/// and absent parts (q_a_proj without query compression) are not visited. The config must be valid.
void for_each_parameter(const ModelConfig& config,
                        const std::function<void(const Parameter&)>& visit);

/// Shape of the f32 `<name>_scale_inv` beside an FP8 matrix: [ceil(out/128), ceil(in/128)].
std::array<i64, 2> scale_shape(std::span<const i64> matrix_shape);

}  // namespace fathom
