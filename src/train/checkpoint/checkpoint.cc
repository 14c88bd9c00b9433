#include "train/checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "checkpoint/flat_weights.h"
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
constexpr std::string_view kMaster = "master";

std::string tensor_name(const StateArray& array, const checkpoint::ParameterSlot& slot) {
  return fmt::format("{}.{}", array.name, slot.parameter.name);
}

std::span<u8> slot_bytes(const StateArray& array, const checkpoint::ParameterSlot& slot) {
  const i64 size = dtype_bytes(array.dtype);
  return {array.data + slot.offset * size, static_cast<size_t>(slot.parameter.elements() * size)};
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

void write_files(Ctx& ctx, const ModelFiles& files, const fs::path& directory) {
  checkpoint::write_model_directory(ctx, files.config, *files.layout, files.weights,
                                    directory.string(), files.dtype);
  copy_tokenizer(files.tokenizer, directory);
  io::write_file_atomically(directory / "generation_config.json", generation_config(files.config));
}

void write_arrays(const checkpoint::ParameterLayout& layout, std::span<const StateArray> arrays,
                  const fs::path& path) {
  std::vector<io::TensorSpec> specs;
  for (const StateArray& array : arrays) {
    for (const checkpoint::ParameterSlot& slot : layout.slots()) {
      specs.push_back({tensor_name(array, slot), array.dtype, slot.parameter.shape});
    }
  }
  io::SafetensorsWriter writer(path, specs, {{"format", "fathom-optimizer"}});
  for (const StateArray& array : arrays) {
    for (const checkpoint::ParameterSlot& slot : layout.slots()) {
      writer.append(tensor_name(array, slot), slot_bytes(array, slot));
    }
  }
  writer.commit();
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

void read_array(const io::SafetensorsFile& file, const checkpoint::ParameterLayout& layout,
                const StateArray& array) {
  for (const checkpoint::ParameterSlot& slot : layout.slots()) {
    const std::string name = tensor_name(array, slot);
    const io::StoredTensor* stored = file.find(name);
    const std::span<u8> bytes = slot_bytes(array, slot);
    if (stored == nullptr || stored->dtype != array.dtype ||
        stored->shape != slot.parameter.shape) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: {}: found {}, expected {} of {} bytes", kOptimizerName, name,
                              stored == nullptr ? "nothing" : to_string(*stored),
                              dtype_name(array.dtype), bytes.size()));
    }
    std::ranges::copy(stored->bytes, bytes.begin());
  }
}

/// The array without the parameters' names: is any tensor of it there?
bool has_array(const io::SafetensorsFile& file, const checkpoint::ParameterLayout& layout,
               std::string_view name) {
  const StateArray array = {.name = name};
  return file.find(tensor_name(array, layout.slots().front())) != nullptr;
}

StateArray master_of(std::span<float> weights) {
  return {kMaster, DType::kF32, reinterpret_cast<u8*>(weights.data())};
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

void write_model(Ctx& ctx, const ModelFiles& files, const fs::path& directory) {
  io::AtomicDirectory written(directory);
  write_files(ctx, files, written.path());
  written.commit();
}

void write_checkpoint(Ctx& ctx, const ModelFiles& files, std::span<const StateArray> arrays,
                      CheckpointManifest manifest, const fs::path& directory) {
  io::AtomicDirectory written(directory);
  write_files(ctx, files, written.path());
  std::vector<StateArray> all(arrays.begin(), arrays.end());
  if (files.dtype != DType::kF32) {
    // Only read; StateArray has one pointer for both directions.
    all.push_back(master_of({const_cast<float*>(files.weights.data()), files.weights.size()}));
  }
  write_arrays(*files.layout, all, written.path() / kOptimizerName);
  manifest.files.clear();
  for (const auto& entry : fs::directory_iterator(written.path())) {
    manifest.files.emplace(entry.path().filename().string(), record_of(entry.path()));
  }
  io::write_file_atomically(written.path() / kManifestName, to_json(manifest));
  written.commit();
}

Result<CheckpointManifest> verify_checkpoint(const fs::path& directory) {
  const fs::path path = directory / kManifestName;
  const auto json = io::read_json(path);
  if (!json) return tl::unexpected(json.error());
  auto manifest = parse_manifest(*json, path.string());
  if (!manifest) return manifest;
  std::string problems;
  for (const auto& [name, record] : manifest->files) {
    const std::string problem = check_file(directory / name, record);
    if (!problem.empty()) problems += fmt::format("\n  {}: {}", name, problem);
  }
  if (problems.empty()) return manifest;
  return invalid_input(fmt::format("{} is damaged:{}", directory.string(), problems));
}

void read_checkpoint(Ctx& ctx, const ModelConfig& config, const checkpoint::ParameterLayout& layout,
                     const fs::path& directory, std::span<const StateArray> arrays,
                     std::span<float> weights) {
  const auto file = value_or_throw(io::SafetensorsFile::open(directory / kOptimizerName));
  for (const StateArray& array : arrays) read_array(file, layout, array);
  if (has_array(file, layout, kMaster)) {
    read_array(file, layout, master_of(weights));
  } else {
    checkpoint::read_model_directory(ctx, config, layout, directory.string(), weights);
  }
}

}  // namespace fathom::train
