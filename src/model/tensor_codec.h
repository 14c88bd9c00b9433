#pragma once
// Between a checkpoint's stored tensors and f32 rows, chunk by chunk, so that neither reading nor
// writing needs a whole tensor in memory. Used by random_init and convert.
#include <vector>

#include "config/model_config.h"
#include "config/parameter_list.h"
#include "io/safetensors.h"
#include "io/safetensors_writer.h"
#include "model/storage.h"
#include "ops/ctx.h"
#include "ops/quantize.h"
#include "tensor/bf16.h"
#include "tensor/fp8.h"
#include "tensor/view.h"

namespace fathom::model {

/// out[i] = tensor[i] in f32, all of it; F32, BF16 or F16, aligned or not.
void copy_as_f32(const io::StoredTensor& tensor, float* out);

/// The dtype of a tensor in a checkpoint written as `target` (F32 | BF16 | F8_E4M3):
///   F32      all F32
///   BF16     all BF16 but e_score_correction_bias, which is F32
///   F8_E4M3  as BF16, but linear layers F8_E4M3; embedding, head, gate, eh_proj stay BF16
/// Source: DeepSeek-V3's released checkpoints.
DType stored_dtype(ParameterKind kind, DType target);

/// What becomes of one tensor: as stored_dtype() says, and a matrix whose columns are no multiple
/// of the group is packed in groups of 32, or is BF16 if they are no multiple of those.
Storage storage_of(const Parameter& parameter, const Storage& target);
/// The config of a checkpoint written so: torch_dtype and quantization_config.
ModelConfig with_storage(ModelConfig config, const Storage& target, ops::ScaleFormat scale_format);

/// A vector as one row, a matrix as it is: what the codec's [rows, cols] mean.
struct RowShape {
  i64 rows = 0;
  i64 cols = 0;
};
RowShape row_shape(std::span<const i64> shape);
/// Rows to handle at once: a multiple of 128 (whole scale blocks) near 4 million numbers.
i64 chunk_rows(i64 cols);

/// Reads rows of a stored tensor, dequantised.
class TensorReader {
 public:
  /// `scale`: of an F8_E4M3 tensor, else nullptr. Both were checked (checkpoint_check.h).
  TensorReader(Ctx& ctx, const io::StoredTensor& tensor, const io::StoredTensor* scale);
  /// out [count, cols] f32 overwritten: rows [begin, begin + count); begin a multiple of 128.
  void read_rows(i64 begin, View<float, 2> out);
  /// Packed integers: words and scales of a checked matrix [rows, cols].
  TensorReader(Ctx& ctx, const io::StoredTensor& packed, const io::StoredTensor& scale,
               RowShape shape);
  RowShape shape() const { return shape_; }

 private:
  void read_packed_rows(i64 begin, View<float, 2> out);

  Ctx& ctx_;
  const io::StoredTensor& tensor_;
  RowShape shape_;
  std::vector<u8> aligned_;   // the chunk's bytes: the file promises no alignment
  std::vector<float> scale_;  // [ceil(rows/128), ceil(cols/128)]
  const io::StoredTensor* group_scale_ = nullptr;
  std::vector<u16> aligned_scale_;
};

/// Writes rows of tensors in their stored dtype.
class TensorEncoder {
 public:
  TensorEncoder(Ctx& ctx, io::CheckpointWriter& writer, ops::ScaleFormat scale_format)
      : ctx_(ctx), writer_(writer), scale_format_(scale_format) {}
  /// Appends the next rows [count, cols] of `name` as `dtype` (F32 | BF16 | F8_E4M3; the latter
  /// also appends the scales under scale_name(name)). All calls for a tensor but the last bring a
  /// multiple of 128 rows. `decoded`: if not empty, [count, cols] overwritten with what was stored.
  void append_rows(const std::string& name, DType dtype, View<const float, 2> rows,
                   View<float, 2> decoded = {});
  /// The same for packed integers: words and scales. append_shape() once for each matrix.
  void append_packed(const std::string& name, const Storage& storage, View<const float, 2> rows,
                     View<float, 2> decoded = {});
  void append_shape(const std::string& name, std::span<const i64> shape);

 private:
  void append_fp8(const std::string& name, View<const float, 2> rows, View<float, 2> decoded);

  Ctx& ctx_;
  io::CheckpointWriter& writer_;
  ops::ScaleFormat scale_format_;
  std::vector<u16> bf16_;
  std::vector<Fp8E4M3> fp8_;
  std::vector<u32> packed_;
  std::vector<Bf16> group_scale_;
  std::vector<float> scale_;
};

/// Declares what stands for one parameter: the tensor, or its words, scales and shape.
void declare_parameter(std::vector<io::TensorSpec>& specs, const Parameter& parameter,
                       const Storage& storage);
/// Declares `name`, and its scales if `dtype` is F8_E4M3.
void declare_tensor(std::vector<io::TensorSpec>& specs, const std::string& name, DType dtype,
                    std::span<const i64> shape);

}  // namespace fathom::model
