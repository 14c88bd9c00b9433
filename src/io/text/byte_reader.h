#pragma once
// The bytes of a plain, gzip or zstd file, in order, decompressed, in bounded memory. Files are
// read, not mapped: a user's text may change or shrink while we look at it.
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/types.h"

namespace fathom::io {

enum class Compression { kNone, kGzip, kZstd };

/// By .gz or .zst, in letters of either size.
Compression compression_of_name(std::string_view name);
/// The name without .gz or .zst.
std::string_view without_compression(std::string_view name);

class ByteReader {
 public:
  /// kNotFound or kIo with the system's reason. No message here names the file: the caller knows
  /// it.
  [[nodiscard]] static Result<std::unique_ptr<ByteReader>> open(const std::filesystem::path& path,
                                                                Compression compression);
  virtual ~ByteReader() = default;

  /// Fills at least one byte of `out` (not empty), or returns 0 at the end. kInvalidInput: damaged
  /// or truncated compressed data; kIo. What was read before an Error is good.
  [[nodiscard]] virtual Result<size_t> read(std::span<u8> out) = 0;
  /// Bytes of the file taken so far: for progress.
  virtual i64 file_bytes_read() const = 0;
};

}  // namespace fathom::io
