#pragma once
// Between a checkpoint's stored tensors and f32 rows, chunk by chunk, so that neither reading nor
// writing needs a whole tensor in memory. Used by random_init and convert.
#include <vector>

#include "checkpoint/storage.h"
#include "config/model/model_config.h"
#include "config/model/parameter_list.h"
#include "device/ctx.h"
#include "io/safetensors.h"
#include "io/safetensors_writer.h"
#include "ops/quantize/quantize.h"
#include "tensor/bf16.h"
#include "tensor/fp8.h"
#include "tensor/view.h"

namespace fathom::checkpoint {

/// out[i] = tensor[i] in f32, all of it; F32, BF16 or F16, aligned or not.
void copy_as_f32(const io::StoredTensor& tensor, float* out);

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
  /// The matrix or vector that stands for a parameter of a checked checkpoint, however it is
  /// stored.
  TensorReader(Ctx& ctx, const io::Checkpoint& checkpoint, const Parameter& parameter);
  /// out [count, cols] f32 overwritten: rows [begin, begin + count); begin a multiple of 128.
  void read_rows(i64 begin, View<float, 2> out);
  RowShape shape() const { return shape_; }
  DType dtype() const { return tensor_.dtype; }  // I32 of packed integers

 private:
  void read_packed_rows(i64 begin, View<float, 2> out);
  /// Multiplies rows of integers by the F32 scales of their groups.
  void scale_rows(i64 begin, i64 group_size, View<float, 2> out) const;

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
  /// Appends the next rows [count, cols] of `name`, its scales with them. All calls for a
  /// tensor but the last bring a multiple of 128 rows. `decoded`: if not empty, [count, cols]
  /// overwritten with what was stored.
  void append_rows(const std::string& name, const Storage& storage, View<const float, 2> rows,
                   View<float, 2> decoded = {});
  /// The shape of a matrix of packed integers: once for each.
  void append_shape(const std::string& name, std::span<const i64> shape);

 private:
  void append_fp8(const std::string& name, const Storage& storage, View<const float, 2> rows,
                  View<float, 2> decoded);
  void append_packed(const std::string& name, const Storage& storage, View<const float, 2> rows,
                     View<float, 2> decoded);

  Ctx& ctx_;
  io::CheckpointWriter& writer_;
  ops::ScaleFormat scale_format_;
  std::vector<u16> bf16_;
  std::vector<Fp8E4M3> fp8_;
  std::vector<u32> packed_;
  std::vector<Bf16> group_scale_;
  std::vector<float> scale_;
};

/// Declares what stands for one parameter: the tensor, its scales, its shape.
void declare_parameter(std::vector<io::TensorSpec>& specs, const Parameter& parameter,
                       const Storage& storage);

}  // namespace fathom::checkpoint
