#include "io/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/downloaded.h"
#include "io/safetensors_header.h"

namespace fathom::io {
namespace {

constexpr size_t kLengthBytes = 8;

/// The JSON at the head of a file.
Result<std::string_view> header_text(std::span<const u8> bytes, const std::string& name) {
  if (bytes.size() < kLengthBytes) {
    return invalid_input(
        fmt::format("{}: {} bytes, expected at least the 8 bytes of a safetensors header length",
                    name, bytes.size()));
  }
  u64 header_bytes = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) header_bytes |= u64{bytes[i]} << (8 * i);
  if (header_bytes > static_cast<u64>(kMaxHeaderBytes)) {
    return invalid_input(fmt::format("{}: header length {}, expected at most {} bytes", name,
                                     header_bytes, kMaxHeaderBytes));
  }
  if (header_bytes > bytes.size() - kLengthBytes) {
    return invalid_input(
        fmt::format("{}: header length {}, but only {} bytes follow; is the file truncated? Then "
                    "download it again",
                    name, header_bytes, bytes.size() - kLengthBytes));
  }
  const auto text_bytes = static_cast<size_t>(header_bytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              text_bytes);
  if (!text.starts_with('{')) {
    return invalid_input(fmt::format("{}: the header does not begin with '{{'", name));
  }
  return text;
}

}  // namespace

std::string to_string(const StoredTensor& tensor) {
  return fmt::format("[{}] {}", fmt::join(tensor.shape, ", "), dtype_name(tensor.dtype));
}

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  auto map = open_downloaded(path);
  if (!map) return tl::unexpected(std::move(map.error()));
  auto file = parse(map->bytes(), path.filename().string());
  if (file) file->map_ = std::move(*map);
  return file;
}

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const u8> bytes, std::string name) {
  const Result<std::string_view> text = header_text(bytes, name);
  if (!text) return tl::unexpected(text.error());
  const std::span<const u8> data = bytes.subspan(kLengthBytes + text->size());
  auto header = read_header(*text, static_cast<i64>(data.size()), name);
  if (!header) return tl::unexpected(std::move(header.error()));

  SafetensorsFile file;
  file.file_name_ = std::make_unique<std::string>(std::move(name));
  file.metadata_ = std::move(header->metadata);
  file.tensors_.reserve(header->entries.size());
  for (HeaderEntry& entry : header->entries) {
    file.tensors_.push_back({.name = std::move(entry.name),
                             .dtype = entry.dtype,
                             .shape = std::move(entry.shape),
                             .bytes = data.subspan(static_cast<size_t>(entry.begin),
                                                   static_cast<size_t>(entry.end - entry.begin)),
                             .file_name = *file.file_name_});
  }
  file.by_name_.reserve(file.tensors_.size());
  for (size_t i = 0; i < file.tensors_.size(); ++i) {
    file.by_name_.emplace(file.tensors_[i].name, i);
  }
  return file;
}

const StoredTensor* SafetensorsFile::find(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : &tensors_[at->second];
}

}  // namespace fathom::io
