#include "checkpoint/gguf/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/parallel.h"
#include "checkpoint/gguf/model_config.h"
#include "checkpoint/gguf/packed_blocks.h"
#include "checkpoint/gguf/parameters.h"
#include "checkpoint/storage.h"
#include "checkpoint/tensor_codec.h"
#include "tensor/bf16.h"

namespace fathom::checkpoint {
namespace {

/// The map itself, if a matrix lies there as Hugging Face would have it and in `dtype`.
/// A router stays in F32: its choices hang on small differences.
std::optional<io::StoredTensor> in_the_map(const GgufParameter& p, DType dtype) {
  const bool in_order = p.source.form == GgufForm::kAsStored || p.source.form == GgufForm::kExpert;
  const bool is_f32 = p.tensor->type == io::gguf::Type::kF32;
  const bool is_bf16 = p.tensor->type == io::gguf::Type::kBF16;
  const bool wanted =
      (is_f32 && (dtype == DType::kF32 || p.parameter.role == ModelPart::kRouter)) ||
      (is_bf16 && dtype == DType::kBF16);
  if (!in_order || !wanted) return std::nullopt;
  const DType stored = is_f32 ? DType::kF32 : DType::kBF16;
  const auto size = static_cast<size_t>(p.parameter.elements() * dtype_bytes(stored));
  const size_t begin =
      p.source.form == GgufForm::kExpert ? static_cast<size_t>(p.parameter.expert) * size : 0;
  return io::StoredTensor{.name = p.parameter.name,
                          .dtype = stored,
                          .shape = p.parameter.shape,
                          .bytes = p.tensor->bytes.subspan(begin, size),
                          .file_name = p.tensor->file_name};
}

/// F32 of a model whose linear layers are all stored so: there is nothing to gain from less.
DType usual_dtype(std::span<const GgufParameter> parameters) {
  const bool all_f32 = std::ranges::all_of(parameters, [](const GgufParameter& p) {
    return p.parameter.kind != ParameterKind::kMatrix || p.tensor->type == io::gguf::Type::kF32;
  });
  return all_f32 ? DType::kF32 : DType::kBF16;
}

/// Decodes one parameter, some rows at a time, to `out`.
void decode(const GgufParameter& p, DType dtype, u8* out) {
  const RowShape shape = row_shape(p.parameter.shape);
  if (dtype == DType::kF32) {
    return read_rows(p, 0, {reinterpret_cast<float*>(out), {shape.rows, shape.cols}});
  }
  const i64 step = chunk_rows(shape.cols);
  std::vector<float> chunk(static_cast<size_t>(std::min(step, shape.rows) * shape.cols));
  Bf16* bf16 = reinterpret_cast<Bf16*>(out);
  for (i64 begin = 0; begin < shape.rows; begin += step) {
    const i64 count = std::min(step, shape.rows - begin);
    read_rows(p, begin, {chunk.data(), {count, shape.cols}});
    parallel_for(count * shape.cols, 4096, [&](i64 from, i64 to) {
      for (i64 i = from; i < to; ++i) {
        bf16[begin * shape.cols + i] = Bf16(chunk[static_cast<size_t>(i)]);
      }
    });
  }
}

/// gate_proj and up_proj read one prepared input: they are packed both or not at all.
bool companion_is_alike(const GgufParameter& p, const io::gguf::File& file) {
  std::string companion = p.source.tensor;
  for (const auto& [name, other] : {std::pair{"ffn_gate", "ffn_up"}, {"ffn_up", "ffn_gate"}}) {
    const size_t at = companion.find(name);
    if (at == companion.npos) continue;
    const io::gguf::Tensor* tensor =
        file.find(companion.replace(at, std::string_view(name).size(), other));
    return tensor == nullptr || tensor->type == p.tensor->type;
  }
  return true;
}

/// Puts one parameter after the other into a GgufCheckpoint.
class Loader {
 public:
  /// `dtype`: of matrices that are not packed. `packs`: those that can be, are.
  Loader(GgufCheckpoint& loaded, DType dtype, bool packs)
      : loaded_(loaded), dtype_(dtype), packs_(packs) {}

  void add(const GgufParameter& p) {
    if (packs_ && is_packable(p) && companion_is_alike(p, loaded_.file)) {
      pack_parameter(p, loaded_.decoded, tensors_);
      if (!packed_) packed_ = packed_blocks(p.tensor->type);
    } else if (auto mapped = in_the_map(p, dtype_)) {
      tensors_.push_back(std::move(*mapped));
    } else {
      add_decoded(p);
    }
  }

  void finish() {
    loaded_.config.torch_dtype = dtype_;
    loaded_.checkpoint = io::Checkpoint::of_tensors(std::move(tensors_));
    if (!packed_) return;
    const Storage storage{.dtype = DType::kI32, .bits = packed_->bits, .group_size = 32};
    loaded_.config = with_storage(loaded_.config, {.linear = storage}, ops::ScaleFormat::kF32);
  }

 private:
  void add_decoded(const GgufParameter& p) {
    const bool exact = p.parameter.shape.size() == 1 || p.parameter.role == ModelPart::kRouter;
    const DType to = exact ? DType::kF32 : dtype_;
    const i64 size = p.parameter.elements() * dtype_bytes(to);
    loaded_.decoded.emplace_back(Device::kCpu, size, "weights decoded from GGUF");
    u8* data = loaded_.decoded.back().data();
    decode(p, to, data);
    tensors_.push_back({.name = p.parameter.name,
                        .dtype = to,
                        .shape = p.parameter.shape,
                        .bytes = {data, static_cast<size_t>(size)},
                        .file_name = p.tensor->file_name});
  }

  GgufCheckpoint& loaded_;
  DType dtype_;
  bool packs_;
  std::optional<PackedBlocks> packed_;  // of the first that was
  std::vector<io::StoredTensor> tensors_;
};

}  // namespace

GgufCheckpoint load_gguf(const std::filesystem::path& path, std::optional<DType> wanted,
                         const std::function<void(i64, i64)>& on_progress) {
  GgufCheckpoint loaded{.config = {},
                        .file = value_or_throw(io::gguf::File::open(path)),
                        .decoded = {},
                        .checkpoint = {}};
  loaded.config = value_or_throw(gguf_model_config(loaded.file));
  const std::vector<GgufParameter> parameters =
      value_or_throw(gguf_parameters(loaded.config, loaded.file));
  i64 total = 0, done = 0;
  for (const GgufParameter& p : parameters) total += p.parameter.elements();
  Loader loader(loaded, wanted.value_or(usual_dtype(parameters)), /*packs=*/!wanted);
  for (const GgufParameter& p : parameters) {
    loader.add(p);
    done += p.parameter.elements();
    if (on_progress) on_progress(done, total);
  }
  loader.finish();
  return loaded;
}

}  // namespace fathom::checkpoint
