#include "io/safetensors_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/checked_math.h"
#include "base/error.h"
#include "io/files/directories.h"
#include "io/files/output_path.h"
#include "io/json.h"
#include "io/safetensors_header.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

i64 spec_bytes(const TensorSpec& spec) {
  const auto elements = checked_product(spec.shape);
  const auto bytes = elements ? checked_mul(*elements, dtype_bytes(spec.dtype)) : std::nullopt;
  FATHOM_CHECK(bytes.has_value(), "tensor ", spec.name, ": the shape overflows");
  return *bytes;
}

/// Entries with their offsets: falling element size, otherwise as declared.
Header lay_out(std::span<const TensorSpec> tensors, const Metadata& metadata) {
  Header header{.entries = {}, .metadata = metadata};
  for (const TensorSpec& spec : tensors) {
    header.entries.push_back({.name = spec.name, .dtype = spec.dtype, .shape = spec.shape});
  }
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const HeaderEntry& a, const HeaderEntry& b) {
                     return dtype_bytes(a.dtype) > dtype_bytes(b.dtype);
                   });
  i64 offset = 0;
  for (HeaderEntry& entry : header.entries) {
    entry.begin = offset;
    offset += spec_bytes({entry.name, entry.dtype, entry.shape});
    entry.end = offset;
  }
  return header;
}

void refuse_if_weights_exist(const fs::path& directory) {
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("model") &&
        (name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json"))) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: already holds weights ({}); write to an empty directory",
                              directory.string(), name));
    }
  }
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(fs::path path, std::span<const TensorSpec> tensors,
                                     const Metadata& metadata)
    : file_(std::move(path)) {
  const Header header = lay_out(tensors, metadata);
  const std::string text = write_header(header);
  const auto data_begin = static_cast<i64>(text.size());
  for (const HeaderEntry& entry : header.entries) {
    const bool added =
        slots_.emplace(entry.name, Slot{data_begin + entry.begin, data_begin + entry.end}).second;
    FATHOM_CHECK(added, "tensor ", entry.name, " is declared twice");
    remaining_bytes_ += entry.end - entry.begin;
  }
  file_.reserve(data_begin + remaining_bytes_);
  file_.append(text);
}

void SafetensorsWriter::append(std::string_view name, std::span<const u8> bytes) {
  const auto at = slots_.find(std::string(name));
  FATHOM_CHECK(at != slots_.end(), "tensor ", name, " was not declared");
  Slot& slot = at->second;
  const auto size = static_cast<i64>(bytes.size());
  FATHOM_CHECK(size <= slot.end - slot.next, "tensor ", name, ": ", size, " bytes more, but only ",
               slot.end - slot.next, " are left of its shape");
  file_.write_at(slot.next, bytes);
  slot.next += size;
  remaining_bytes_ -= size;
}

void SafetensorsWriter::seal() {
  FATHOM_CHECK(complete(), file_.path().string(), ": ", remaining_bytes_, " bytes are missing");
  file_.seal();
}

void SafetensorsWriter::commit() {
  seal();
  file_.commit();
}

CheckpointWriter::CheckpointWriter(fs::path directory, std::span<const TensorSpec> tensors,
                                   i64 max_shard_bytes, Metadata metadata)
    : directory_(std::move(directory)), metadata_(std::move(metadata)) {
  FATHOM_CHECK(max_shard_bytes > 0, "max_shard_bytes ", max_shard_bytes);
  i64 shard_bytes = 0;
  for (const TensorSpec& spec : tensors) {
    const i64 bytes = spec_bytes(spec);
    if (shards_.empty() || (shard_bytes > 0 && shard_bytes + bytes > max_shard_bytes)) {
      shards_.emplace_back();
      shard_bytes = 0;
    }
    shards_.back().tensors.push_back(spec);
    shard_bytes += bytes;
    total_bytes_ += bytes;
    FATHOM_CHECK(shard_of_.emplace(spec.name, shards_.size() - 1).second, "tensor ", spec.name,
                 " is declared twice");
  }
  require_free_space(directory_, total_bytes_);
  make_directories(directory_);
  refuse_if_weights_exist(directory_);
  if (shards_.empty()) shards_.emplace_back();  // a model without tensors is still a file
  for (size_t i = 0; i < shards_.size(); ++i) {
    shards_[i].file_name = shards_.size() == 1 ? "model.safetensors"
                                               : fmt::format("model-{:05}-of-{:05}.safetensors",
                                                             i + 1, shards_.size());
  }
}

SafetensorsWriter& CheckpointWriter::writer_of(Shard& shard) {
  if (shard.writer == nullptr) {
    shard.writer =
        std::make_unique<SafetensorsWriter>(directory_ / shard.file_name, shard.tensors, metadata_);
  }
  return *shard.writer;
}

void CheckpointWriter::append(std::string_view name, std::span<const u8> bytes) {
  const auto at = shard_of_.find(std::string(name));
  FATHOM_CHECK(at != shard_of_.end(), "tensor ", name, " was not declared");
  SafetensorsWriter& writer = writer_of(shards_[at->second]);
  if (bytes.empty()) return;  // the shard may be sealed already
  writer.append(name, bytes);
  if (writer.complete()) writer.seal();
}

void CheckpointWriter::commit() {
  for (Shard& shard : shards_) writer_of(shard).seal();
  for (Shard& shard : shards_) shard.writer->commit();
  if (shards_.size() > 1) {
    write_file_atomically(directory_ / "model.safetensors.index.json", index_text());
  }
}

std::string CheckpointWriter::index_text() const {
  JsonObject weight_map;
  std::vector<std::pair<std::string, std::string>> sorted;
  for (const auto& [name, shard] : shard_of_) sorted.emplace_back(name, shards_[shard].file_name);
  std::sort(sorted.begin(), sorted.end());
  for (auto& [name, file_name] : sorted) weight_map.set(std::move(name), std::move(file_name));
  JsonObject metadata;
  metadata.set("total_size", total_bytes_);
  JsonObject index;
  index.set("metadata", std::move(metadata));
  index.set("weight_map", std::move(weight_map));
  return write_json(std::move(index), 2) + "\n";
}

}  // namespace fathom::io
