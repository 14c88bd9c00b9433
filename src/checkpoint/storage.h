#pragma once
// How a checkpoint stores its matrices: all alike, or part by part.
#include <optional>
#include <string>

#include "base/dtype.h"
#include "base/types.h"
#include "config/model/model_config.h"
#include "config/model/parameter_list.h"
#include "ops/quantize/quantize.h"

namespace fathom::checkpoint {

/// How one matrix is stored.
struct Storage {
  DType dtype = DType::kBF16;  // F32 | BF16 | F8_E4M3 | I32: packed integers of
  int bits = 0;                // 4 or 8
  i64 group_size = 0;          // 32 or 128
  /// Of F8_E4M3: its scales are called `weight_scale`, as `compressed-tensors` calls them, and not
  /// `weight_scale_inv` as in DeepSeek's releases.
  bool named_weight_scale = false;

  bool operator==(const Storage&) const = default;
  bool is_quantised() const { return dtype == DType::kF8E4M3 || dtype == DType::kI32; }
};

/// "BF16", "INT4 in groups of 32".
std::string to_string(const Storage& storage);

/// How the matrices of a model are stored. An MTP module's block is stored as the layers are.
struct ModelStorage {
  Storage linear;  // of the linear layers that no part below speaks for
  std::optional<Storage> attention = {};
  std::optional<Storage> routed_experts = {};
  std::optional<Storage> shared_experts = {};
  std::optional<Storage> dense_ffn = {};
  bool head = false;  // lm_head and the embedding too, as `linear`

  const Storage& of(ModelPart role) const;
  /// Any part is wanted as integers. Then the checkpoint is one of `compressed-tensors`, and FP8
  /// beside them has that package's form and names; else FP8 is as DeepSeek releases it.
  bool is_compressed_tensors() const;
  bool has_fp8() const;

 private:
  bool any_is(DType dtype) const;
};

/// Linear layers, and what quantisers may be told to take along: embedding, head and eh_proj. Never
/// a router, an MTP module's neither.
bool may_be_quantised(const Parameter& parameter);

/// The dtype of a tensor in a checkpoint written as `target` (F32 | BF16 | F8_E4M3):
///   F32      all F32
///   BF16     all BF16 but e_score_correction_bias, which is F32
///   F8_E4M3  as BF16, but linear layers F8_E4M3; embedding, head, gate, eh_proj stay BF16
/// Source: DeepSeek-V3's released checkpoints.
DType stored_dtype(ParameterKind kind, DType target);

/// What becomes of one tensor: what is no linear layer as stored_dtype() says for F32, else BF16. A
/// matrix whose columns are no multiple of its group is packed in groups of 32, or is BF16 if they
/// are no multiple of those.
Storage storage_of(const Parameter& parameter, const ModelStorage& target);

/// The config of a checkpoint written so: torch_dtype and quantization_config. In the latter the
/// storage that most linear layers have stands for all "Linear"; others are named by part, or
/// module by module where a part is not uniform.
ModelConfig with_storage(ModelConfig config, const ModelStorage& target,
                         ops::ScaleFormat scale_format);

}  // namespace fathom::checkpoint
