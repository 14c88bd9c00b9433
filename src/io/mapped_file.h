#pragma once
// A whole file as read-only memory.
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/types.h"

namespace fathom::io {

/// How the kernel should read ahead.
enum class AccessHint { kNormal, kSequential, kRandom, kWillNeed, kDontNeed };

/// Maps one regular file for reading; move-only, unmapped on destruction. The bytes stay valid and
/// at the same address for the object's life, moves included.
/// Hazard: if another process truncates the file, touching the lost pages kills the process
/// (SIGBUS); nobody can prevent that with a map, so files in use must be replaced by rename, as
/// AtomicFile does, never rewritten in place.
class MappedFile {
 public:
  /// kNotFound if there is no such file, kInvalidInput if it is not a regular file (a directory, a
  /// pipe), kIo if the system refuses.
  [[nodiscard]] static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), path_(std::move(other.path_)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(path_, other.path_);
    return *this;
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const u8> bytes() const noexcept { return bytes_; }
  const std::filesystem::path& path() const noexcept { return path_; }

  /// A hint for the pages that hold bytes [offset, offset + size_bytes); never fails, may do
  /// nothing. kDontNeed lets a converter walk a model larger than memory.
  void advise(AccessHint hint, i64 offset, i64 size_bytes) const noexcept;
  void advise(AccessHint hint) const noexcept { advise(hint, 0, static_cast<i64>(bytes_.size())); }

 private:
  std::span<const u8> bytes_;
  std::filesystem::path path_;
};

/// The whole of a small file, copied (so that a file that shrinks meanwhile is no hazard). Errors
/// as MappedFile::open, and kInvalidInput above `max_bytes`.
[[nodiscard]] Result<std::string> read_text(const std::filesystem::path& path, i64 max_bytes);

}  // namespace fathom::io
