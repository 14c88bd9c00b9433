#include "train/checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "checkpoint/flat_weights.h"
#include "checkpoint/tensor_codec.h"
#include "checkpoint/write.h"
#include "io/content_hash.h"
#include "io/files/atomic_directory.h"
#include "io/files/atomic_file.h"
#include "io/json.h"
#include "io/mapped_file.h"
#include "io/safetensors_writer.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifestName = "trainer.json";
constexpr const char* kOptimizerName = "optimizer.safetensors";

std::string tensor_name(const StateArray& array, const checkpoint::ParameterSlot& slot) {
  return fmt::format("{}.{}", array.name, slot.parameter.name);
}

/// Everything of a tokenizer that a model directory holds.
void copy_tokenizer(const fs::path& tokenizer, const fs::path& directory) {
  const bool is_folder = fs::is_directory(tokenizer);
  const fs::path folder = is_folder ? tokenizer : tokenizer.parent_path();
  if (!is_folder) io::copy_file_atomically(tokenizer, directory / "tokenizer.json");
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
                           "special_tokens_map.json", "added_tokens.json", "tiktoken.model"}) {
    if (!fs::exists(directory / name) && fs::exists(folder / name)) {
      io::copy_file_atomically(folder / name, directory / name);
    }
  }
}

io::JsonValue ids_json(const std::vector<i64>& ids) {
  if (ids.size() == 1) return ids.front();
  return io::JsonArray(ids.begin(), ids.end());
}

/// A model of pre-training has no recommended sampling: its own distribution, and where text ends.
std::string generation_config(const ModelConfig& config) {
  io::JsonObject object;
  if (config.bos_token_id >= 0) object.set("bos_token_id", config.bos_token_id);
  if (!config.eos_token_id.empty()) object.set("eos_token_id", ids_json(config.eos_token_id));
  object.set("do_sample", true);
  return io::write_json(std::move(object), 2) + "\n";
}

void write_files(Ctx& ctx, const ModelFiles& files, const checkpoint::ParameterLayout& layout,
                 StateGather& state, const StateArray& weights, const fs::path& directory) {
  const checkpoint::RowSource rows = [&](const Parameter& parameter, i64 begin, i64 count) {
    const auto* slot = layout.find(checkpoint::shared_source(parameter, files.config));
    FATHOM_CHECK(slot != nullptr, "no parameter ", parameter.name);
    const i64 cols = checkpoint::row_shape(parameter.shape).cols;
    const std::span<const u8> bytes = state.fetch(weights, *slot, begin * cols, count * cols);
    return View<const float, 2>(reinterpret_cast<const float*>(bytes.data()), {count, cols});
  };
  checkpoint::write_checkpoint(ctx, files.config, directory.string(), rows, {.dtype = files.dtype});
  copy_tokenizer(files.tokenizer, directory);
  io::write_file_atomically(directory / "generation_config.json", generation_config(files.config));
}

void write_arrays(const checkpoint::ParameterLayout& layout, StateGather& state,
                  std::span<const StateArray* const> arrays, const fs::path& path) {
  std::vector<io::TensorSpec> specs;
  for (const StateArray* array : arrays) {
    for (const checkpoint::ParameterSlot& slot : layout.slots()) {
      specs.push_back({tensor_name(*array, slot), array->dtype, slot.parameter.shape});
    }
  }
  io::SafetensorsWriter writer(path, specs, {{"format", "fathom-optimizer"}});
  for (const StateArray* array : arrays) {
    for (const checkpoint::ParameterSlot& slot : layout.slots()) {
      writer.append(tensor_name(*array, slot),
                    state.fetch(*array, slot, 0, slot.parameter.elements()));
    }
  }
  writer.commit();
}

const StateArray& require(const StateGather& state, std::string_view name) {
  const StateArray* array = state.find(name);
  FATHOM_CHECK(array != nullptr && array->dtype == DType::kF32, "no f32 array ", name);
  return *array;
}

FileRecord record_of(const fs::path& path) {
  const auto file = value_or_throw(io::MappedFile::open(path));
  file.advise(io::AccessHint::kSequential);
  io::Hasher hasher;
  hasher.update(file.bytes());
  return {std::ssize(file.bytes()), io::to_string(hasher.digest())};
}

/// What is wrong with one file; empty if nothing.
std::string check_file(const fs::path& path, const FileRecord& expected) {
  std::error_code code;
  const auto bytes = static_cast<i64>(fs::file_size(path, code));
  if (code) return code.message();
  if (bytes < expected.bytes) {
    return fmt::format("truncated: {} bytes, expected {}", bytes, expected.bytes);
  }
  if (bytes > expected.bytes) return fmt::format("{} bytes, expected {}", bytes, expected.bytes);
  return record_of(path) == expected ? "" : "its bytes have changed since it was written";
}

void read_array(const io::SafetensorsFile& file, std::span<const parallel::ShardBlock> blocks,
                const StateArray& array) {
  const i64 size = dtype_bytes(array.dtype);
  const checkpoint::ParameterSlot* checked = nullptr;
  const io::StoredTensor* stored = nullptr;
  for (const parallel::ShardBlock& block : blocks) {
    const checkpoint::ParameterSlot& slot = *block.slot;
    if (checked != &slot) stored = file.find(tensor_name(array, slot));
    checked = &slot;
    if (stored == nullptr || stored->dtype != array.dtype ||
        stored->shape != slot.parameter.shape) {
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("{}: {}: found {}, expected {} {}", kOptimizerName, tensor_name(array, slot),
                      stored == nullptr ? "nothing" : to_string(*stored), dtype_name(array.dtype),
                      fmt::join(slot.parameter.shape, "x")));
    }
    const i64 begin = block.begin - slot.offset;
    const i64 count = std::min(block.count, slot.parameter.elements() - begin);
    std::copy_n(stored->bytes.begin() + begin * size, count * size, array.at(block));
  }
}

/// The array without the parameters' names: is any tensor of it there?
bool has_array(const io::SafetensorsFile& file, const checkpoint::ParameterLayout& layout,
               std::string_view name) {
  const StateArray array = {.name = name};
  return file.find(tensor_name(array, layout.slots().front())) != nullptr;
}

}  // namespace

DType stored_dtype(StoredDType dtype) {
  switch (dtype) {
    case StoredDType::kF32:
      return DType::kF32;
    case StoredDType::kFp8:
      return DType::kF8E4M3;
    case StoredDType::kBf16:
      break;
  }
  return DType::kBF16;
}

void write_model(Ctx& ctx, const ModelFiles& files, StateGather& state, std::string_view weights,
                 const fs::path& directory) {
  const checkpoint::ParameterLayout layout(files.config);
  io::AtomicDirectory written(directory);
  write_files(ctx, files, layout, state, require(state, weights), written.path());
  written.commit();
}

void write_checkpoint(Ctx& ctx, const ModelFiles& files, StateGather& state,
                      CheckpointManifest manifest, const fs::path& directory) {
  const checkpoint::ParameterLayout layout(files.config);
  io::AtomicDirectory written(directory);
  write_files(ctx, files, layout, state, require(state, kMasterWeights), written.path());
  std::vector<const StateArray*> arrays;
  for (const StateArray& array : state.arrays()) {
    const bool is_in_model = array.name == kMasterWeights && files.dtype == DType::kF32;
    if (!is_in_model) arrays.push_back(&array);
  }
  write_arrays(layout, state, arrays, written.path() / kOptimizerName);
  manifest.files.clear();
  for (const auto& entry : fs::directory_iterator(written.path())) {
    manifest.files.emplace(entry.path().filename().string(), record_of(entry.path()));
  }
  io::write_file_atomically(written.path() / kManifestName, to_json(manifest));
  written.commit();
}

Result<CheckpointManifest> read_manifest(const fs::path& directory) {
  const fs::path path = directory / kManifestName;
  const auto json = io::read_json(path);
  if (!json) return tl::unexpected(json.error());
  return parse_manifest(*json, path.string());
}

Result<CheckpointManifest> verify_checkpoint(const fs::path& directory) {
  auto manifest = read_manifest(directory);
  if (!manifest) return manifest;
  std::string problems;
  for (const auto& [name, record] : manifest->files) {
    const std::string problem = check_file(directory / name, record);
    if (!problem.empty()) problems += fmt::format("\n  {}: {}", name, problem);
  }
  if (problems.empty()) return manifest;
  return invalid_input(fmt::format("{} is damaged:{}", directory.string(), problems));
}

void read_checkpoint(Ctx& ctx, const ModelConfig& config, const parallel::Shards& shards,
                     const fs::path& directory, std::span<const StateArray> arrays,
                     std::span<float> weights) {
  const auto file = value_or_throw(io::SafetensorsFile::open(directory / kOptimizerName));
  for (const StateArray& array : arrays) read_array(file, shards.own_blocks(), array);
  if (has_array(file, shards.layout(), kMasterWeights)) {
    read_array(file, shards.blocks(),
               {kMasterWeights, DType::kF32, reinterpret_cast<u8*>(weights.data()),
                StateArray::kHeldBlocks});
  } else {
    checkpoint::read_model_directory(ctx, config, shards.layout(), directory.string(), weights);
  }
}

}  // namespace fathom::train
