#include "io/gguf/file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <fstream>

#include "io/gguf/entries.h"
#include "io/gguf/reader.h"

namespace fathom::io::gguf {
namespace {

/// Checks magic and version and returns the latter.
Result<u32> read_version(Reader& reader, const std::string& name) {
  const auto magic = reader.take(4, "the magic number");
  if (!magic) return tl::unexpected(magic.error());
  const std::string_view text(reinterpret_cast<const char*>(magic->data()), 4);
  if (text != "GGUF") {
    return invalid_input(
        fmt::format("{}: begins with \"{}\", expected \"GGUF\"", name, printable(text)));
  }
  const auto version = reader.u32_of("the version");
  if (!version) return tl::unexpected(version.error());
  if (*version == 2 || *version == 3) return *version;
  const u32 swapped = __builtin_bswap32(*version);
  if (swapped >= 1 && swapped <= 3) {
    return unsupported(fmt::format("{}: a big-endian GGUF file, expected little endian", name));
  }
  return unsupported(fmt::format("{}: GGUF version {}, expected 2 or 3", name, *version));
}

Result<u64> read_count(Reader& reader, const std::string& name, std::string_view what, i64 limit) {
  const auto count = reader.u64_of(what);
  if (!count) return tl::unexpected(count.error());
  if (*count > static_cast<u64>(limit)) {
    return invalid_input(
        fmt::format("{}: {} is {}, expected at most {}", name, what, *count, limit));
  }
  return *count;
}

Result<void> read_pairs(Reader& reader, u64 count, Metadata& metadata) {
  for (u64 i = 0; i < count; ++i) {
    const auto key = reader.string_of("a key");
    if (!key) return tl::unexpected(key.error());
    auto value = reader.value_of(*key);
    if (!value) return tl::unexpected(value.error());
    if (!metadata.add(*key, std::move(*value))) {
      return invalid_input(
          fmt::format("{}: the key {} is there twice", metadata.file_name(), printable(*key)));
    }
  }
  return {};
}

Result<u64> alignment_of(const Metadata& metadata) {
  constexpr i64 kDefault = 32, kMost = i64{1} << 20;
  if (!metadata.has("general.alignment")) return static_cast<u64>(kDefault);
  const auto alignment = metadata.integer("general.alignment");
  if (!alignment) return tl::unexpected(alignment.error());
  if (*alignment < 1 || *alignment > kMost || !std::has_single_bit(static_cast<u64>(*alignment))) {
    return invalid_input(
        fmt::format("{}: general.alignment is {}, expected a power of two up to {}",
                    metadata.file_name(), *alignment, kMost));
  }
  return static_cast<u64>(*alignment);
}

}  // namespace

bool is_gguf(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  char magic[4] = {};
  std::ifstream file(path, std::ios::binary);
  return file.read(magic, sizeof magic) && std::string_view(magic, sizeof magic) == "GGUF";
}

std::string to_string(const Tensor& tensor) {
  return fmt::format("[{}] {}", fmt::join(tensor.shape, ", "), info(tensor.type).name);
}

Result<void> File::read_part(std::span<const u8> bytes, std::string name) {
  file_names_.push_back(std::make_unique<std::string>(std::move(name)));
  const std::string& file_name = *file_names_.back();
  Reader reader(bytes, file_name);
  const auto version = read_version(reader, file_name);
  if (!version) return tl::unexpected(version.error());
  version_ = *version;
  const auto tensors = read_count(reader, file_name, "the number of tensors", kMaxTensors);
  if (!tensors) return tl::unexpected(tensors.error());
  const auto pairs = read_count(reader, file_name, "the number of key-value pairs", kMaxPairs);
  if (!pairs) return tl::unexpected(pairs.error());

  metadata_ = std::make_unique<Metadata>(file_name);
  if (auto read = read_pairs(reader, *pairs, *metadata_); !read) return read;
  const auto alignment = alignment_of(*metadata_);
  if (!alignment) return tl::unexpected(alignment.error());
  std::vector<Entry> entries;
  for (u64 i = 0; i < *tensors; ++i) {
    auto entry = read_entry(reader, file_name);
    if (!entry) return tl::unexpected(entry.error());
    entries.push_back(std::move(*entry));
  }
  const u64 data_begin = (reader.position() + *alignment - 1) / *alignment * *alignment;
  const std::span<const u8> data =
      bytes.subspan(static_cast<size_t>(std::min<u64>(data_begin, bytes.size())));
  if (auto placed = place(entries, data, *alignment, file_name); !placed) return placed;
  for (Entry& entry : entries) {
    if (!by_name_.emplace(entry.tensor.name, tensors_.size()).second) {
      return invalid_input(
          fmt::format("{}: the tensor {} is there twice", file_name, printable(entry.tensor.name)));
    }
    tensors_.push_back(std::move(entry.tensor));
  }
  return {};
}

Result<File> File::parse(std::span<const u8> bytes, std::string name) {
  File file;
  if (auto read = file.read_part(bytes, std::move(name)); !read)
    return tl::unexpected(read.error());
  return file;
}

const Tensor* File::find(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &tensors_[at->second];
}

}  // namespace fathom::io::gguf
