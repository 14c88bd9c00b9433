// Opening a model that was split into several files.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "io/downloaded.h"
#include "io/gguf/file.h"
#include "io/gguf/reader.h"

namespace fathom::io::gguf {
namespace {

/// What a part says of the model it belongs to; a file that says nothing is whole.
struct Split {
  i64 part = 0;
  i64 parts = 1;
  std::optional<i64> tensors;  // of all parts
};

Result<Split> split_of(const Metadata& metadata) {
  constexpr i64 kMaxParts = 99'999;  // the file name has five digits
  Split split;
  if (!metadata.has("split.count")) return split;
  const auto parts = metadata.integer("split.count"), part = metadata.integer("split.no");
  if (!parts) return tl::unexpected(parts.error());
  if (!part) return tl::unexpected(part.error());
  if (*parts < 0 || *parts > kMaxParts || *part < 0 || *part >= std::max<i64>(*parts, 1)) {
    return invalid_input(
        fmt::format("{}: split.no is {} and split.count {}, expected a part below the count, and a "
                    "count of at most {}",
                    metadata.file_name(), *part, *parts, kMaxParts));
  }
  split = {.part = *part, .parts = std::max<i64>(*parts, 1), .tensors = {}};
  if (metadata.has("split.tensors.count")) {
    const auto tensors = metadata.integer("split.tensors.count");
    if (!tensors) return tl::unexpected(tensors.error());
    split.tensors = *tensors;
  }
  return split;
}

/// "NAME-00002-of-00005.gguf" of part 1 of 5. llama.cpp finds parts by this name too.
std::string part_suffix(i64 part, i64 parts) {
  return fmt::format("-{:05}-of-{:05}.gguf", part + 1, parts);
}

/// Every part beside `path` must say that it is the part its name says.
Result<void> check_part(const Metadata& metadata, i64 part, i64 parts) {
  const auto found = split_of(metadata);
  if (!found) return tl::unexpected(found.error());
  if (found->part == part && found->parts == parts) return {};
  return invalid_input(fmt::format("{}: says that it is part {} of {}, expected {} of {}",
                                   metadata.file_name(), found->part + 1, found->parts, part + 1,
                                   parts));
}

}  // namespace

Result<void> File::join(File part) {
  if (!metadata_) {  // the first part's stand for the model
    metadata_ = std::move(part.metadata_);
    version_ = part.version_;
  }
  for (auto& map : part.maps_) maps_.push_back(std::move(map));
  for (auto& name : part.file_names_) file_names_.push_back(std::move(name));
  for (Tensor& tensor : part.tensors_) {
    if (!by_name_.emplace(tensor.name, tensors_.size()).second) {
      return invalid_input(fmt::format("{}: another part holds the tensor {} too", tensor.file_name,
                                       printable(tensor.name)));
    }
    tensors_.push_back(std::move(tensor));
  }
  return {};
}

Result<File> File::open_one(const std::filesystem::path& path) {
  auto map = open_downloaded(path);
  if (!map) return tl::unexpected(std::move(map.error()));
  auto file = parse(map->bytes(), path.filename().string());
  if (file) file->maps_.push_back(std::move(*map));
  return file;
}

Result<File> File::open(const std::filesystem::path& path) {
  auto named = open_one(path);
  if (!named) return named;
  const auto split = split_of(named->metadata());
  if (!split) return tl::unexpected(split.error());
  if (split->parts == 1) return named;

  const std::string file_name = path.filename().string();
  const std::string suffix = part_suffix(split->part, split->parts);
  if (!file_name.ends_with(suffix)) {
    return invalid_input(
        fmt::format("{}: part {} of {}, expected a name that ends in \"{}\", so that the other "
                    "parts can be found",
                    file_name, split->part + 1, split->parts, suffix));
  }
  const std::string stem = file_name.substr(0, file_name.size() - suffix.size());
  File whole;
  for (i64 i = 0; i < split->parts; ++i) {
    auto part = open_one(path.parent_path() / (stem + part_suffix(i, split->parts)));
    if (!part) return part;
    if (auto checked = check_part(part->metadata(), i, split->parts); !checked) {
      return tl::unexpected(checked.error());
    }
    if (auto joined = whole.join(std::move(*part)); !joined) return tl::unexpected(joined.error());
  }
  if (split->tensors && *split->tensors != static_cast<i64>(whole.tensors_.size())) {
    return invalid_input(fmt::format("{}: split.tensors.count is {}, but the {} parts hold {}",
                                     file_name, *split->tensors, split->parts,
                                     whole.tensors_.size()));
  }
  return whole;
}

}  // namespace fathom::io::gguf
