#include "checkpoint/tensor_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/checked_math.h"
#include "base/parallel.h"
#include "checkpoint/stored_names.h"
#include "ops/quantize/quantize_groups.h"
#include "tensor/bf16.h"

namespace fathom::checkpoint {
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

RowShape row_shape(std::span<const i64> shape) {
  FATHOM_CHECK(shape.size() == 1 || shape.size() == 2, "tensor of ", shape.size(), " axes");
  return shape.size() == 1 ? RowShape{1, shape[0]} : RowShape{shape[0], shape[1]};
}

i64 chunk_rows(i64 cols) {
  return std::max(kFp8Block, kChunkElements / std::max<i64>(cols, 1) / kFp8Block * kFp8Block);
}

namespace {

/// The tensor itself, or its packed words.
const io::StoredTensor& numbers_of(const io::Checkpoint& checkpoint, const std::string& name) {
  const io::StoredTensor* plain = checkpoint.find(name);
  const io::StoredTensor* found =
      plain != nullptr ? plain : checkpoint.find(PackedNames(name).packed);
  FATHOM_CHECK(found != nullptr, "tensor ", name, " was not checked");
  return *found;
}

}  // namespace

TensorReader::TensorReader(Ctx& ctx, const io::Checkpoint& checkpoint, const Parameter& parameter)
    : ctx_(ctx),
      tensor_(numbers_of(checkpoint, parameter.name)),
      shape_(row_shape(parameter.shape)) {
  if (tensor_.dtype == DType::kI32) {
    group_scale_ = checkpoint.find(PackedNames(parameter.name).scale);
  } else if (tensor_.dtype == DType::kF8E4M3) {
    const io::StoredTensor& scale = *find_block_scale(checkpoint, parameter.name);
    scale_.resize(static_cast<size_t>(scale.elements()));
    copy_as_f32(scale, scale_.data());
  }
}

void TensorReader::read_packed_rows(i64 begin, View<float, 2> out) {
  const PackedForm form = packed_form(tensor_, *group_scale_, shape_.cols);
  MatRef chunk;
  chunk.dtype = DType::kI32;
  chunk.rows = out.dim(0);
  chunk.cols = shape_.cols;
  chunk.bits = form.bits;
  chunk.group_size = form.group_size;
  const bool wide = group_scale_->dtype == DType::kF32;
  chunk.group_dtype = wide ? DType::kBF16 : group_scale_->dtype;
  chunk.group_stride = group_scale_->shape[1];
  const u8* words = tensor_.bytes.data() + begin * chunk.row_bytes();
  aligned_.assign(words, words + chunk.size_bytes());
  aligned_scale_.resize(static_cast<size_t>(chunk.rows * chunk.group_stride));
  if (wide) {  // decoded with scales of 1, and scaled after that
    std::ranges::fill(aligned_scale_, Bf16(1.0f).bits);
  } else {
    std::memcpy(aligned_scale_.data(), group_scale_->bytes.data() + begin * chunk.group_stride * 2,
                aligned_scale_.size() * sizeof(u16));
  }
  chunk.data = aligned_.data();
  chunk.group_scale = aligned_scale_.data();
  ops::dequantize(ctx_, chunk, out);
  if (wide) scale_rows(begin, form.group_size, out);
}

void TensorReader::scale_rows(i64 begin, i64 group_size, View<float, 2> out) const {
  const i64 groups = group_scale_->shape[1];
  const u8* scales = group_scale_->bytes.data();
  parallel_for(out.dim(0), 1, [&](i64 from, i64 to) {
    for (i64 r = from; r < to; ++r) {
      for (i64 c = 0; c < out.dim(1); ++c) {
        float scale = 0.0f;
        const i64 at = (begin + r) * groups + c / group_size;
        std::memcpy(&scale, scales + at * static_cast<i64>(sizeof scale), sizeof scale);
        out(r, c) *= scale;
      }
    }
  });
}

void TensorReader::read_rows(i64 begin, View<float, 2> out) {
  const i64 count = out.dim(0);
  FATHOM_CHECK(begin % kFp8Block == 0 && begin + count <= shape_.rows && out.dim(1) == shape_.cols,
               "rows from ", begin, " into ", out, " of ", to_string(tensor_));
  if (group_scale_ != nullptr) return read_packed_rows(begin, out);
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

void TensorEncoder::append_rows(const std::string& name, const Storage& storage,
                                View<const float, 2> rows, View<float, 2> decoded) {
  FATHOM_CHECK(rows.contiguous() && (decoded.empty() || decoded.contiguous()), name, " as ", rows);
  const i64 count = rows.size();
  if (storage.dtype == DType::kI32) return append_packed(name, storage, rows, decoded);
  if (storage.dtype == DType::kF8E4M3) return append_fp8(name, storage, rows, decoded);
  if (storage.dtype == DType::kF32) {
    writer_.append(name, bytes_of(std::span(rows.data(), static_cast<size_t>(count))));
    if (!decoded.empty()) std::copy_n(rows.data(), count, decoded.data());
    return;
  }
  FATHOM_CHECK(storage.dtype == DType::kBF16, name, " cannot be written as ", to_string(storage));
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

void TensorEncoder::append_packed(const std::string& name, const Storage& storage,
                                  View<const float, 2> rows, View<float, 2> decoded) {
  const i64 words = ceil_div(rows.dim(1) * storage.bits, i64{32});
  const i64 groups = ceil_div(rows.dim(1), storage.group_size);
  packed_.resize(static_cast<size_t>(rows.dim(0) * words));
  group_scale_.resize(static_cast<size_t>(rows.dim(0) * groups));
  const View<u32, 2> packed(packed_.data(), {rows.dim(0), words});
  const View<Bf16, 2> scale(group_scale_.data(), {rows.dim(0), groups});
  ops::quantize_groups(ctx_, rows, storage.bits, storage.group_size, packed, scale);
  const PackedNames names(name);
  writer_.append(names.packed, bytes_of(std::span<const u32>(packed_)));
  writer_.append(names.scale, bytes_of(std::span<const Bf16>(group_scale_)));
  if (decoded.empty()) return;
  ops::dequantize(ctx_,
                  ops::packed_matrix(packed, scale, rows.dim(1), storage.bits, storage.group_size),
                  decoded);
}

void TensorEncoder::append_shape(const std::string& name, std::span<const i64> shape) {
  writer_.append(PackedNames(name).shape, bytes_of(shape));
}

void TensorEncoder::append_fp8(const std::string& name, const Storage& storage,
                               View<const float, 2> rows, View<float, 2> decoded) {
  const i64 scale_rows = ceil_div(rows.dim(0), kFp8Block);
  const i64 scale_cols = ceil_div(rows.dim(1), kFp8Block);
  fp8_.resize(static_cast<size_t>(rows.size()));
  scale_.resize(static_cast<size_t>(scale_rows * scale_cols));
  ops::quantize_blocks(ctx_, rows, scale_format_, {fp8_.data(), rows.dims()},
                       {scale_.data(), {scale_rows, scale_cols}});
  writer_.append(name, bytes_of(std::span<const Fp8E4M3>(fp8_)));
  writer_.append(block_scale_name(name, storage), bytes_of(std::span<const float>(scale_)));
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

void declare_parameter(std::vector<io::TensorSpec>& specs, const Parameter& parameter,
                       const Storage& storage) {
  if (storage.dtype == DType::kI32) {
    const PackedNames names(parameter.name);
    const i64 rows = parameter.shape[0], cols = parameter.shape[1];
    specs.push_back({names.packed, DType::kI32, {rows, ceil_div(cols * storage.bits, i64{32})}});
    specs.push_back({names.scale, DType::kBF16, {rows, ceil_div(cols, storage.group_size)}});
    specs.push_back({names.shape, DType::kI64, {2}});
    return;
  }
  specs.push_back({parameter.name, storage.dtype, parameter.shape});
  if (storage.dtype == DType::kF8E4M3) {
    const auto scale = scale_shape(parameter.shape);
    specs.push_back(
        {block_scale_name(parameter.name, storage), DType::kF32, {scale.begin(), scale.end()}});
  }
}

}  // namespace fathom::checkpoint
