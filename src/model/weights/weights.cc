#include "model/weights/weights.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "checkpoint/check.h"
#include "checkpoint/gguf/load.h"
#include "checkpoint/stored_names.h"
#include "checkpoint/tensor_codec.h"
#include "model/attention/rope.h"
#include "model/parameters/bind.h"
#include "ops/upload.h"

namespace fathom::model {
namespace {

/// Turns checked tensors into views. Every name it is asked for is in the parameter list.
class Binder {
 public:
  Binder(Ctx& ctx, const io::Checkpoint& checkpoint, std::span<const Parameter> parameters,
         Weights& weights)
      : ctx_(ctx), checkpoint_(checkpoint), weights_(weights) {
    i64 vector_elements = 0;
    for (const Parameter& parameter : parameters) {
      if (parameter.shape.size() == 1) vector_elements += parameter.elements();
    }
    Buffer vectors(Device::kCpu, vector_elements * static_cast<i64>(sizeof(float)), "the norms");
    next_vector_ = reinterpret_cast<float*>(vectors.data());
    weights_.owned.push_back(std::move(vectors));
  }

  bool has(const std::string& matrix_name) const {
    return has_tensor(matrix_name) || has_tensor(checkpoint::PackedNames(matrix_name).packed);
  }

  View<const float, 1> vector(const std::string& name) {
    const io::StoredTensor& tensor = find(name);
    float* copy = next_vector_;
    checkpoint::copy_as_f32(tensor, copy);
    next_vector_ += tensor.elements();
    const MatRef uploaded = upload(MatRef(View<const float, 2>(copy, {1, tensor.elements()})));
    return {static_cast<const float*>(uploaded.data), {tensor.elements()}};
  }

  MatRef matrix(const std::string& name) {
    return upload(has_tensor(name) ? plain_matrix(name) : packed_matrix(name));
  }

  MatRef embedding(const std::string& name) { return matrix(name); }
  MatRef tied_head(const MatRef& embedding) const { return embedding; }

  i64 num_f16() const { return num_f16_; }
  i64 num_decoded() const { return num_decoded_; }

 private:
  bool has_tensor(const std::string& name) const { return checkpoint_.find(name) != nullptr; }

  /// Where the model's ops can read it.
  MatRef upload(const MatRef& m) {
    Buffer storage;
    const MatRef uploaded = ops::upload(ctx_, m, storage);
    if (storage.size_bytes() > 0) weights_.owned.push_back(std::move(storage));
    return uploaded;
  }

  MatRef plain_matrix(const std::string& name) {
    const io::StoredTensor& tensor = find(name);
    MatRef m;
    m.rows = tensor.shape[0];
    m.cols = tensor.shape[1];
    m.dtype = tensor.dtype == DType::kF16 ? DType::kF32 : tensor.dtype;
    if (tensor.dtype == DType::kF16) {
      float* copy = reinterpret_cast<float*>(own(m.size_bytes(), "weights converted from F16"));
      checkpoint::copy_as_f32(tensor, copy);
      m.data = copy;
      ++num_f16_;
    } else {
      m.data = aligned(tensor);
    }
    if (m.dtype == DType::kF8E4M3) {
      const io::StoredTensor& scale = find(checkpoint::find_block_scale(checkpoint_, name)->name);
      m.scale = as_f32(scale);
      m.scale_stride = scale.shape[1];
    }
    return m;
  }

  MatRef packed_matrix(const std::string& name) {
    const checkpoint::PackedNames names(name);
    const io::StoredTensor &packed = find(names.packed), &scale = find(names.scale);
    const io::StoredTensor& shape = find(names.shape);
    i64 extents[2] = {0, 0};
    const size_t width = static_cast<size_t>(dtype_bytes(shape.dtype));
    for (size_t i = 0; i < 2; ++i) std::memcpy(&extents[i], shape.bytes.data() + i * width, width);
    if (scale.dtype == DType::kF32) return decoded_matrix(name, extents[0], extents[1]);
    const checkpoint::PackedForm form = checkpoint::packed_form(packed, scale, extents[1]);
    MatRef m;
    m.data = aligned(packed);
    m.dtype = DType::kI32;
    m.rows = extents[0];
    m.cols = extents[1];
    m.bits = form.bits;
    m.group_size = form.group_size;
    m.group_scale = reinterpret_cast<const u16*>(aligned(scale));
    m.group_dtype = scale.dtype;
    m.group_stride = scale.shape[1];
    if (has_tensor(names.minimum)) {
      m.group_minimum = reinterpret_cast<const u16*>(aligned(find(names.minimum)));
    }
    return m;
  }

  /// Integers whose scales no kernel takes: their values in F32, exactly.
  MatRef decoded_matrix(const std::string& name, i64 rows, i64 cols) {
    float* copy = reinterpret_cast<float*>(
        own(rows * cols * static_cast<i64>(sizeof(float)), "integers with F32 scales, decoded"));
    checkpoint::TensorReader reader(ctx_, checkpoint_, {.name = name, .shape = {rows, cols}});
    const i64 step = checkpoint::chunk_rows(cols);
    for (i64 begin = 0; begin < rows; begin += step) {
      reader.read_rows(begin, {copy + begin * cols, {std::min(step, rows - begin), cols}});
    }
    ++num_decoded_;
    return MatRef(View<const float, 2>(copy, {rows, cols}));
  }

  const io::StoredTensor& find(const std::string& name) {
    const io::StoredTensor* tensor = checkpoint_.find(name);
    FATHOM_CHECK(tensor != nullptr, "tensor ", name, " was not checked");
    weights_.stored_bytes += static_cast<i64>(tensor->bytes.size());
    return *tensor;
  }

  u8* own(i64 size_bytes, const char* what) {
    weights_.owned.emplace_back(Device::kCpu, size_bytes, what);
    return weights_.owned.back().data();
  }

  /// The map itself if the tensor is F32 there, or a copy.
  const float* as_f32(const io::StoredTensor& tensor) {
    if (tensor.dtype == DType::kF32) return reinterpret_cast<const float*>(aligned(tensor));
    float* copy = reinterpret_cast<float*>(
        own(tensor.elements() * static_cast<i64>(sizeof(float)), "scales widened to F32"));
    checkpoint::copy_as_f32(tensor, copy);
    return copy;
  }

  /// The map itself, or a copy if the file did not align the tensor to its elements.
  const u8* aligned(const io::StoredTensor& tensor) {
    if (tensor.aligned_to(static_cast<size_t>(dtype_bytes(tensor.dtype)))) {
      return tensor.bytes.data();
    }
    u8* copy = own(static_cast<i64>(tensor.bytes.size()), "weights that were not aligned");
    std::memcpy(copy, tensor.bytes.data(), tensor.bytes.size());
    return copy;
  }

  Ctx& ctx_;
  const io::Checkpoint& checkpoint_;
  Weights& weights_;
  float* next_vector_ = nullptr;
  i64 num_f16_ = 0;
  i64 num_decoded_ = 0;
};

/// Module `k` from 0, with its copies of embedding and head where the checkpoint has them.
MtpWeights bind_mtp_module(Binder& bind, const Weights& main, i64 k) {
  const i64 layer = main.config.num_hidden_layers + k;
  const auto own_or = [&](const std::string& name, const MatRef& shared) {
    const std::string full_name = layer_prefix(layer) + name;
    return bind.has(full_name) ? bind.matrix(full_name) : shared;
  };
  MtpWeights w;
  bind_mtp(bind, main.config, layer, w);
  w.embed_tokens = own_or("embed_tokens.weight", main.embed_tokens);
  w.shared_head_head = own_or("shared_head.head.weight", main.lm_head);
  return w;
}

}  // namespace

void bind_weights(Ctx& ctx, Weights& weights) {
  const checkpoint::CheckpointCheck check =
      checkpoint::require_checkpoint(weights.config, weights.checkpoint);
  weights.config = check.config;
  const ModelConfig& config = weights.config;
  weights.rope = make_rope_table(config);

  Binder bind(ctx, weights.checkpoint, check.parameters, weights);
  bind_main_model(bind, config, weights);
  for (i64 k = 0; k < check.num_mtp; ++k) weights.mtp.push_back(bind_mtp_module(bind, weights, k));
  if (bind.num_f16() > 0) {
    log::info("{}: {} F16 matrices were converted to F32", weights.directory, bind.num_f16());
  }
  if (bind.num_decoded() > 0) {
    log::info("{}: {} integer matrices with F32 scales were decoded to F32", weights.directory,
              bind.num_decoded());
  }
}

std::unique_ptr<Weights> load_weights(Ctx& ctx, const std::string& path,
                                      std::optional<DType> gguf_dtype,
                                      const std::function<void(i64, i64)>& on_progress) {
  auto weights = std::make_unique<Weights>();
  weights->directory = path;
  if (io::gguf::is_gguf(path)) {
    checkpoint::GgufCheckpoint loaded = checkpoint::load_gguf(path, gguf_dtype, on_progress);
    weights->config = std::move(loaded.config);
    weights->gguf = std::move(loaded.file);
    weights->owned = std::move(loaded.decoded);
    weights->checkpoint = std::move(loaded.checkpoint);
  } else {
    weights->config = value_or_throw(load_model_config(path));
    weights->checkpoint = value_or_throw(io::Checkpoint::open(path));
  }
  bind_weights(ctx, *weights);
  return weights;
}

}  // namespace fathom::model
