#pragma once
// Weights that lie in one flat array (ParameterLayout), to and from a checkpoint directory.
#include <span>
#include <string>

#include "base/dtype.h"
#include "checkpoint/parameter_layout.h"
#include "ops/ctx.h"

namespace fathom::checkpoint {

/// Writes config.json and model*.safetensors of `weights` (an array of layout.size()), matrices as
/// `dtype` (kF32 | kBF16 | kF8E4M3), the router's bias f32, MTP as layer num_hidden_layers with its
/// copies of embedding and head: what transformers and vLLM load.
void write_model_directory(Ctx& ctx, const ModelConfig& config, const ParameterLayout& layout,
                           std::span<const float> weights, const std::string& directory,
                           DType dtype);
/// Reads a checkpoint directory of the same config into `weights`. Throws Error with all problems.
void read_model_directory(Ctx& ctx, const ModelConfig& config, const ParameterLayout& layout,
                          const std::string& directory, std::span<float> weights);

}  // namespace fathom::checkpoint
