#include "model/tensor_codec.h"

#include <algorithm>
#include <cstring>

#include "base/checked_math.h"
#include "base/parallel.h"
#include "model/checkpoint_check.h"
#include "tensor/bf16.h"

namespace fathom::model {
namespace {

constexpr i64 kChunkElements = i64{4} << 20;
constexpr i64 kGrainElements = 4096;

template <typename T>
std::span<const u8> bytes_of(std::span<const T> elements) {
  return {reinterpret_cast<const u8*>(elements.data()), elements.size_bytes()};
}

void half_to_f32(const u8* in, DType dtype, i64 count, float* out) {
  const bool bf16 = dtype == DType::kBF16;
  parallel_for(count, kGrainElements, [=](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i) {
      u16 bits = 0;
      std::memcpy(&bits, in + 2 * i, sizeof bits);  // the file promises no alignment
      out[i] = bf16 ? static_cast<float>(Bf16::from_bits(bits)) : f16_to_f32(bits);
    }
  });
}

}  // namespace

void copy_as_f32(const io::StoredTensor& tensor, float* out) {
  if (tensor.dtype == DType::kF32) {
    std::memcpy(out, tensor.bytes.data(), tensor.bytes.size());
    return;
  }
  FATHOM_CHECK(tensor.dtype == DType::kBF16 || tensor.dtype == DType::kF16, tensor.name, " is ",
               dtype_name(tensor.dtype));
  half_to_f32(tensor.bytes.data(), tensor.dtype, tensor.elements(), out);
}

DType stored_dtype(ParameterKind kind, DType target) {
  FATHOM_CHECK(target == DType::kF32 || target == DType::kBF16 || target == DType::kF8E4M3,
               "checkpoints are not written as ", dtype_name(target));
  if (target == DType::kF32 || kind == ParameterKind::kRouterBias) return DType::kF32;
  return kind == ParameterKind::kMatrix ? target : DType::kBF16;
}

RowShape row_shape(std::span<const i64> shape) {
  FATHOM_CHECK(shape.size() == 1 || shape.size() == 2, "tensor of ", shape.size(), " axes");
  return shape.size() == 1 ? RowShape{1, shape[0]} : RowShape{shape[0], shape[1]};
}

i64 chunk_rows(i64 cols) {
  return std::max(kFp8Block, kChunkElements / std::max<i64>(cols, 1) / kFp8Block * kFp8Block);
}

TensorReader::TensorReader(Ctx& ctx, const io::StoredTensor& tensor, const io::StoredTensor* scale)
    : ctx_(ctx), tensor_(tensor), shape_(row_shape(tensor.shape)) {
  FATHOM_CHECK((tensor.dtype == DType::kF8E4M3) == (scale != nullptr), tensor.name, " is ",
               dtype_name(tensor.dtype));
  if (scale != nullptr) {
    scale_.resize(static_cast<size_t>(scale->elements()));
    copy_as_f32(*scale, scale_.data());
  }
}

void TensorReader::read_rows(i64 begin, View<float, 2> out) {
  const i64 count = out.dim(0);
  FATHOM_CHECK(begin % kFp8Block == 0 && begin + count <= shape_.rows && out.dim(1) == shape_.cols,
               "rows from ", begin, " into ", out, " of ", to_string(tensor_));
  const i64 row_bytes = shape_.cols * dtype_bytes(tensor_.dtype);
  const u8* first = tensor_.bytes.data() + begin * row_bytes;
  if (tensor_.dtype == DType::kF16) {
    half_to_f32(first, DType::kF16, count * shape_.cols, out.data());
    return;
  }
  aligned_.assign(first, first + count * row_bytes);
  MatRef chunk;
  chunk.data = aligned_.data();
  chunk.dtype = tensor_.dtype;
  chunk.rows = count;
  chunk.cols = shape_.cols;
  if (!scale_.empty()) {
    chunk.scale_stride = ceil_div(shape_.cols, kFp8Block);
    chunk.scale = scale_.data() + begin / kFp8Block * chunk.scale_stride;
  }
  ops::dequantize(ctx_, chunk, out);
}

void TensorEncoder::append_rows(const std::string& name, DType dtype, View<const float, 2> rows,
                                View<float, 2> decoded) {
  FATHOM_CHECK(rows.contiguous() && (decoded.empty() || decoded.contiguous()), name, " as ", rows);
  const i64 count = rows.size();
  if (dtype == DType::kF8E4M3) return append_fp8(name, rows, decoded);
  if (dtype == DType::kF32) {
    writer_.append(name, bytes_of(std::span(rows.data(), static_cast<size_t>(count))));
    if (!decoded.empty()) std::copy_n(rows.data(), count, decoded.data());
    return;
  }
  FATHOM_CHECK(dtype == DType::kBF16, name, " cannot be written as ", dtype_name(dtype));
  bf16_.resize(static_cast<size_t>(count));
  parallel_for(count, kGrainElements, [&](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i) {
      const Bf16 value(rows.data()[i]);
      bf16_[static_cast<size_t>(i)] = value.bits;
      if (!decoded.empty()) decoded.data()[i] = static_cast<float>(value);
    }
  });
  writer_.append(name, bytes_of(std::span<const u16>(bf16_)));
}

void TensorEncoder::append_fp8(const std::string& name, View<const float, 2> rows,
                               View<float, 2> decoded) {
  const i64 scale_rows = ceil_div(rows.dim(0), kFp8Block);
  const i64 scale_cols = ceil_div(rows.dim(1), kFp8Block);
  fp8_.resize(static_cast<size_t>(rows.size()));
  scale_.resize(static_cast<size_t>(scale_rows * scale_cols));
  ops::quantize_blocks(ctx_, rows, scale_format_, {fp8_.data(), rows.dims()},
                       {scale_.data(), {scale_rows, scale_cols}});
  writer_.append(name, bytes_of(std::span<const Fp8E4M3>(fp8_)));
  writer_.append(scale_name(name), bytes_of(std::span<const float>(scale_)));
  if (decoded.empty()) return;
  MatRef chunk;
  chunk.data = fp8_.data();
  chunk.dtype = DType::kF8E4M3;
  chunk.rows = rows.dim(0);
  chunk.cols = rows.dim(1);
  chunk.scale = scale_.data();
  chunk.scale_stride = scale_cols;
  ops::dequantize(ctx_, chunk, decoded);
}

void declare_tensor(std::vector<io::TensorSpec>& specs, const std::string& name, DType dtype,
                    std::span<const i64> shape) {
  specs.push_back({name, dtype, {shape.begin(), shape.end()}});
  if (dtype == DType::kF8E4M3) {
    const auto scale = scale_shape(shape);
    specs.push_back({scale_name(name), DType::kF32, {scale.begin(), scale.end()}});
  }
}

}  // namespace fathom::model
