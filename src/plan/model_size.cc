#include "plan/model_size.h"

#include "base/check.h"
#include "base/checked_math.h"
#include "config/model/quantization_targets.h"

namespace fathom::plan {
namespace {

constexpr i64 kScaleBlock = 128;

/// Does a decoded token read all of this tensor? Of the embedding it reads one row, unless it is
/// the head too; of the experts the first num_experts_per_tok stand for whichever it chooses.
bool is_read(const ModelConfig& config, const Parameter& parameter) {
  if (parameter.part == ModelPart::kMtp) return false;
  if (parameter.part == ModelPart::kEmbedding) return config.tie_word_embeddings;
  return parameter.expert < config.num_experts_per_tok;
}

/// Adds one tensor's bytes as the config stores it.
void add_bytes(const ModelConfig& config, const Parameter& parameter, ModelSize& size) {
  const bool read = is_read(config, parameter);
  const auto add = [&size, read](DType dtype, i64 elements) {
    size.bytes_by_dtype[dtype] += elements * dtype_bytes(dtype);
    if (read) size.read_bytes_per_token += elements * dtype_bytes(dtype);
    ++size.num_tensors;
  };
  const auto& quantization = config.quantization_config;
  const QuantizationGroup* group = parameter.kind == ParameterKind::kMatrix && quantization
                                       ? group_of(*quantization, module_of(parameter))
                                       : nullptr;
  if (parameter.kind == ParameterKind::kRouterBias) {
    add(DType::kF32, parameter.elements());
  } else if (group != nullptr && !group->is_fp8) {
    const i64 rows = parameter.shape[0], cols = parameter.shape[1];
    add(DType::kI32, rows * ceil_div(cols * group->num_bits, i64{32}));
    add(DType::kBF16, rows * ceil_div(cols, group->group_size));
    add(DType::kI64, 2);  // weight_shape
  } else if (group != nullptr) {
    add(DType::kF8E4M3, parameter.elements());
    const auto scale = scale_shape(parameter.shape);
    add(DType::kF32, scale[0] * scale[1]);
  } else {
    add(config.torch_dtype, parameter.elements());
  }
}

/// Sums of one layer, kept for the first dense and the first MoE layer.
void add_layer_sums(const Parameter& parameter, i64 dense_layer, i64 moe_layer, ModelSize& size) {
  const i64 elements = parameter.elements();
  if (parameter.part == ModelPart::kAttention && parameter.layer == 0) {
    size.attention_per_layer += elements;
  }
  if (parameter.part == ModelPart::kDenseFfn && parameter.layer == dense_layer) {
    size.dense_layer_ffn += elements;
  }
  if (parameter.layer != moe_layer) return;
  if (parameter.part == ModelPart::kRouter || parameter.part == ModelPart::kRoutedExperts ||
      parameter.part == ModelPart::kSharedExperts) {
    size.moe_layer_ffn += elements;
    if (parameter.expert == 0) size.one_expert += elements;
  }
}

/// The first main layer with or without experts; -1 if there is none.
i64 first_layer(const ModelConfig& config, bool moe) {
  for (i64 layer = 0; layer < config.num_hidden_layers; ++layer) {
    if (config.is_moe_layer(layer) == moe) return layer;
  }
  return -1;
}

}  // namespace

ModelSize model_size(const ModelConfig& config) {
  ModelSize size;
  const i64 dense_layer = first_layer(config, false);
  const i64 moe_layer = first_layer(config, true);
  for_each_parameter(config, [&](const Parameter& parameter) {
    const i64 elements = parameter.elements();
    PartSize& part = size.parts[static_cast<size_t>(parameter.part)];
    add_bytes(config, parameter, size);
    if (parameter.part == ModelPart::kMtp) {
      size.mtp_with_copies += elements;
      if (!parameter.shared_copy) size.mtp += elements;
    } else {
      add_layer_sums(parameter, dense_layer, moe_layer, size);
    }
    part.total += elements;
    // Experts are alike, so the first num_experts_per_tok stand for whichever a token chooses.
    if (parameter.expert < config.num_experts_per_tok) part.active += elements;
  });
  for (int i = 0; i < kNumModelParts; ++i) {
    if (i == static_cast<int>(ModelPart::kMtp)) continue;
    size.total += size.parts[static_cast<size_t>(i)].total;
    size.active += size.parts[static_cast<size_t>(i)].active;
  }
  size.active_without_embedding = size.active;
  if (!config.tie_word_embeddings) {
    size.active_without_embedding -= size.part(ModelPart::kEmbedding).total;
  }
  for (const auto& [dtype, bytes] : size.bytes_by_dtype) size.checkpoint_bytes += bytes;
  return size;
}

i64 cache_bytes_per_token(const ModelConfig& config, DType dtype) {
  FATHOM_CHECK(dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF8E4M3,
               "no cache is stored in ", dtype_name(dtype));
  if (dtype != DType::kF8E4M3) return config.cache_elements_per_token() * dtype_bytes(dtype);
  const i64 quantised = config.is_mla() ? config.kv_lora_rank : config.cache_elements_per_layer();
  const i64 rest = config.cache_elements_per_layer() - quantised;
  const i64 layer_bytes = quantised + ceil_div(quantised, kScaleBlock) * dtype_bytes(DType::kF32) +
                          rest * dtype_bytes(DType::kBF16);
  return layer_bytes * config.num_hidden_layers;
}

}  // namespace fathom::plan
