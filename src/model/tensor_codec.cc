#include "model/tensor_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/checked_math.h"
#include "base/parallel.h"
#include "model/checkpoint_check.h"
#include "ops/quantize_groups.h"
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

std::string to_string(const Storage& storage) {
  if (storage.bits == 0) return std::string(dtype_name(storage.dtype));
  return fmt::format("INT{} in groups of {}", storage.bits, storage.group_size);
}

Storage storage_of(const Parameter& parameter, const Storage& target) {
  const bool head = target.head &&
                    (parameter.part == ModelPart::kHead || parameter.part == ModelPart::kEmbedding);
  const ParameterKind kind = head ? ParameterKind::kMatrix : parameter.kind;
  if (target.dtype != DType::kI32) return {.dtype = stored_dtype(kind, target.dtype)};
  if (kind != ParameterKind::kMatrix) return {.dtype = stored_dtype(kind, DType::kBF16)};
  for (const i64 group : {target.group_size, i64{32}}) {
    if (parameter.shape[1] % group == 0) {
      return {.dtype = DType::kI32, .bits = target.bits, .group_size = group};
    }
  }
  return {.dtype = DType::kBF16};
}

namespace {

/// "model.layers.0.mlp.down_proj.weight" -> the module that holds it.
std::string module_of(const Parameter& parameter) {
  return parameter.name.substr(0, parameter.name.rfind('.'));
}

QuantizationConfig packed_config(const ModelConfig& config, const Storage& target) {
  QuantizationConfig quantization;
  quantization.quant_method = "compressed-tensors";
  quantization.groups = {{.num_bits = target.bits, .group_size = target.group_size}};
  PackedGroup fallback = {.num_bits = target.bits, .group_size = 32, .targets = {}};
  for_each_parameter(config, [&](const Parameter& parameter) {
    if (parameter.shape.size() != 2 || parameter.part == ModelPart::kEmbedding) return;
    const Storage storage = storage_of(parameter, target);
    if (storage.dtype != DType::kI32) {
      quantization.ignore.push_back(module_of(parameter));
    } else if (storage.group_size != target.group_size) {
      fallback.targets.push_back(module_of(parameter));
    }
  });
  if (!fallback.targets.empty()) quantization.groups.push_back(fallback);
  return quantization;
}

}  // namespace

ModelConfig with_storage(ModelConfig config, const Storage& target, ops::ScaleFormat scale_format) {
  config.torch_dtype = target.dtype == DType::kF32 ? DType::kF32 : DType::kBF16;
  config.quantization_config.reset();
  if (target.dtype == DType::kI32) config.quantization_config = packed_config(config, target);
  if (target.dtype == DType::kF8E4M3) {
    config.quantization_config.emplace();
    if (scale_format == ops::ScaleFormat::kUe8m0) config.quantization_config->scale_fmt = "ue8m0";
  }
  return config;
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

TensorReader::TensorReader(Ctx& ctx, const io::StoredTensor& packed, const io::StoredTensor& scale,
                           RowShape shape)
    : ctx_(ctx), tensor_(packed), shape_(shape), group_scale_(&scale) {}

void TensorReader::read_packed_rows(i64 begin, View<float, 2> out) {
  const PackedForm form = packed_form(tensor_, *group_scale_, shape_.cols);
  MatRef chunk;
  chunk.dtype = DType::kI32;
  chunk.rows = out.dim(0);
  chunk.cols = shape_.cols;
  chunk.bits = form.bits;
  chunk.group_size = form.group_size;
  chunk.group_stride = group_scale_->shape[1];
  const u8* words = tensor_.bytes.data() + begin * chunk.row_bytes();
  aligned_.assign(words, words + chunk.size_bytes());
  aligned_scale_.resize(static_cast<size_t>(chunk.rows * chunk.group_stride));
  std::memcpy(aligned_scale_.data(), group_scale_->bytes.data() + begin * chunk.group_stride * 2,
              aligned_scale_.size() * sizeof(u16));
  chunk.data = aligned_.data();
  chunk.group_scale = aligned_scale_.data();
  ops::dequantize(ctx_, chunk, out);
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

void declare_parameter(std::vector<io::TensorSpec>& specs, const Parameter& parameter,
                       const Storage& storage) {
  if (storage.dtype != DType::kI32) {
    return declare_tensor(specs, parameter.name, storage.dtype, parameter.shape);
  }
  const PackedNames names(parameter.name);
  const i64 rows = parameter.shape[0], cols = parameter.shape[1];
  specs.push_back({names.packed, DType::kI32, {rows, ceil_div(cols * storage.bits, i64{32})}});
  specs.push_back({names.scale, DType::kBF16, {rows, ceil_div(cols, storage.group_size)}});
  specs.push_back({names.shape, DType::kI64, {2}});
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
