// Checkpoint: the weights of a model directory, one file or shards with an index.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "io/downloaded.h"
#include "io/input_file.h"
#include "io/json.h"
#include "io/json_sax.h"
#include "io/safetensors.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

/// A shard is a file of the same directory: no separators, no "..", nothing absolute.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

Result<WeightMap> read_index(const fs::path& path) {
  auto index = read_downloaded_json(path);
  if (!index) return tl::unexpected(std::move(index.error()));
  auto weight_map = get_object(*index, "weight_map", kIndexFile);
  if (!weight_map) return tl::unexpected(std::move(weight_map.error()));
  WeightMap shards;
  for (const auto& [tensor, shard] : **weight_map) {
    if (!shard.is_string() || !is_plain_file_name(shard.as_string())) {
      return invalid_input(
          fmt::format("{}: weight_map: tensor `{}`: expected the name of a file in the same "
                      "directory, found {}",
                      kIndexFile, sax::excerpt(tensor, 200), describe(shard)));
    }
    shards[shard.as_string()].push_back(tensor);
  }
  if (shards.empty()) {
    return invalid_input(fmt::format("{}: weight_map: no tensors", kIndexFile));
  }
  return shards;
}

Result<void> check_all_present(const fs::path& directory, const WeightMap& shards) {
  std::vector<std::string> missing;
  for (const auto& [shard, tensors] : shards) {
    if (!is_there(directory / shard)) missing.push_back(shard);
  }
  if (missing.empty()) return {};
  const std::string unfinished = unfinished_download(directory / missing.front());
  return fail(ErrorCode::kNotFound,
              fmt::format("{}: shard {} is missing{}; {} of {} shards are there{}",
                          directory.string(), missing.front(),
                          missing.size() > 1 ? fmt::format(" and {} more", missing.size() - 1) : "",
                          shards.size() - missing.size(), shards.size(),
                          unfinished.empty() ? "; download the missing ones" : unfinished));
}

/// "model-00001-of-00163.safetensors" or the like; empty if there is none.
std::string any_shard(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename().string();
    if (name.find("-of-") != name.npos && name.ends_with(".safetensors")) return name;
  }
  return {};
}

tl::unexpected<Error> no_weights(const fs::path& directory) {
  if (!is_there(directory)) {
    return fail(ErrorCode::kNotFound, fmt::format("{}: no such directory", directory.string()));
  }
  for (const char* name : {kSingleFile, kIndexFile}) {
    const std::string unfinished = unfinished_download(directory / name);
    if (unfinished.empty()) continue;
    return fail(ErrorCode::kNotFound, fmt::format("{}: expected {}, which is missing{}",
                                                  directory.string(), name, unfinished));
  }
  if (const std::string shard = any_shard(directory); !shard.empty()) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: there is {}, but not {}, which says what the shards hold: "
                            "download it too",
                            directory.string(), shard, kIndexFile));
  }
  if (is_there(directory / "adapter_config.json")) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: an adapter (adapter_config.json), not a model: merge it into its "
                            "model first",
                            directory.string()));
  }
  const bool pickled = is_there(directory / "pytorch_model.bin") ||
                       is_there(directory / "pytorch_model.bin.index.json");
  return fail(ErrorCode::kNotFound,
              fmt::format("{}: expected {} or {}, found neither{}", directory.string(), kSingleFile,
                          kIndexFile,
                          pickled ? "; pytorch_model.bin is a pickle and is not read: convert it "
                                    "to safetensors first"
                                  : ""));
}

bool by_name(const StoredTensor* a, const StoredTensor* b) { return a->name < b->name; }

}  // namespace

Checkpoint Checkpoint::of_tensors(std::vector<StoredTensor> tensors) {
  Checkpoint checkpoint;
  checkpoint.in_memory_ = std::move(tensors);
  for (const StoredTensor& tensor : checkpoint.in_memory_) checkpoint.tensors_.push_back(&tensor);
  std::ranges::sort(checkpoint.tensors_, by_name);
  return checkpoint;
}

Result<Checkpoint> Checkpoint::open(const fs::path& directory) {
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;
  if (is_there(directory / kSingleFile)) {
    auto file = SafetensorsFile::open(directory / kSingleFile);
    if (!file) return tl::unexpected(std::move(file.error()));
    checkpoint.files_.push_back(std::move(*file));
    for (const StoredTensor& tensor : checkpoint.files_.front().tensors()) {
      checkpoint.tensors_.push_back(&tensor);
    }
  } else {
    if (!is_there(directory / kIndexFile)) return no_weights(directory);
    auto shards = read_index(directory / kIndexFile);
    if (!shards) return tl::unexpected(std::move(shards.error()));
    if (auto present = check_all_present(directory, *shards); !present) {
      return tl::unexpected(std::move(present.error()));
    }
    if (auto opened = checkpoint.open_shards(*shards); !opened) {
      return tl::unexpected(std::move(opened.error()));
    }
  }
  std::ranges::sort(checkpoint.tensors_, by_name);
  return checkpoint;
}

Result<void> Checkpoint::open_shards(const WeightMap& shards) {
  files_.reserve(shards.size());
  for (const auto& [shard, tensors] : shards) {
    auto file = SafetensorsFile::open(directory_ / shard);
    if (!file) return tl::unexpected(std::move(file.error()));
    files_.push_back(std::move(*file));
  }
  auto own_file = files_.begin();
  for (const auto& [shard, tensors] : shards) {
    for (const std::string& name : tensors) {
      const StoredTensor* tensor = own_file->find(name);
      for (auto other = files_.begin(); tensor == nullptr && other != files_.end(); ++other) {
        tensor = other->find(name);
      }
      if (tensor != nullptr) tensors_.push_back(tensor);
      if (tensor == nullptr) absent_.emplace(name, shard);
    }
    ++own_file;
  }
  return {};
}

const std::string* Checkpoint::shard_without(const std::string& name) const {
  const auto at = absent_.find(name);
  return at == absent_.end() ? nullptr : &at->second;
}

const StoredTensor* Checkpoint::find(std::string_view name) const {
  const auto at = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const StoredTensor* tensor, std::string_view wanted) { return tensor->name < wanted; });
  return at != tensors_.end() && (*at)->name == name ? *at : nullptr;
}

std::map<DType, i64> Checkpoint::bytes_by_dtype() const {
  std::map<DType, i64> bytes;
  for (const StoredTensor* tensor : tensors_) {
    bytes[tensor->dtype] += static_cast<i64>(tensor->bytes.size());
  }
  return bytes;
}

}  // namespace fathom::io
