#pragma once
// The bytes of a plain, gzip or zstd file, in order, decompressed, in bounded memory. Files are
// read, not mapped: a user's text may change or shrink while we look at it.
#include <memory>
#include <span>

#include "base/error.h"
#include "base/types.h"
#include "data/text/source_files.h"

namespace fathom::data {

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

}  // namespace fathom::data
