#include "io/content_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "io/content_hash.h"
#include "io/input_file.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

constexpr i64 kBlockBytes = 4096;
constexpr i64 kBlocks = 64;

Error cannot_look(const fs::path& path, const std::error_code& error) {
  return {ErrorCode::kIo, fmt::format("{}: {}", path.string(), error.message())};
}

Result<void> add_bytes(const InputFile& file, Hasher& hasher) {
  const i64 size = file.size_bytes();
  const bool is_small = size <= kBlocks * kBlockBytes;
  std::array<u8, kBlockBytes> block;
  for (i64 i = 0; i < kBlocks; ++i) {
    const i64 offset = is_small ? i * kBlockBytes : (size - kBlockBytes) * i / (kBlocks - 1);
    const auto read = file.read_at(offset, block);
    if (!read) return tl::unexpected(read.error());
    hasher.update({block.data(), static_cast<size_t>(*read)});
    if (*read < kBlockBytes) break;
  }
  return {};
}

Result<void> add_file(const fs::path& path, Hasher& hasher, Hasher& times) {
  const auto file = InputFile::open(path);
  if (!file) return tl::unexpected(file.error());
  std::error_code error;
  const auto changed = fs::last_write_time(path, error);
  if (error) return tl::unexpected(cannot_look(path, error));
  hasher.add(path.filename().string());
  hasher.add(file->size_bytes());
  times.add(static_cast<i64>(changed.time_since_epoch().count()));
  return add_bytes(*file, hasher);
}

}  // namespace

Result<ContentSample> sample_content(const fs::path& path) {
  std::vector<fs::path> files;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    for (const auto& entry : fs::directory_iterator(path, error)) {
      std::error_code ignored;  // what cannot be looked at fails where it is read
      if (entry.is_regular_file(ignored)) files.push_back(entry.path());
    }
    if (error) return tl::unexpected(cannot_look(path, error));
  } else {
    files.push_back(path);
  }
  std::ranges::sort(files);
  Hasher hasher, times;
  for (const fs::path& file : files) {
    if (auto added = add_file(file, hasher, times); !added) return tl::unexpected(added.error());
  }
  times.add(hasher.digest());
  return ContentSample{.content = to_string(hasher.digest()),
                       .this_write = to_string(times.digest())};
}

}  // namespace fathom::io
