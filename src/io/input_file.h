#pragma once
// A file read at offsets.
#include <filesystem>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/types.h"

namespace fathom::io {

/// Whether the file system has something of this name; no where it cannot tell.
[[nodiscard]] bool is_there(const std::filesystem::path& path);

/// An open regular file; move-only. Unlike a map, a file that shrinks and a disk that fails are
/// errors here and no signal.
class InputFile {
 public:
  /// kNotFound if there is no such file, kInvalidInput if it is not a regular file (a directory, a
  /// pipe), kIo if the system refuses.
  [[nodiscard]] static Result<InputFile> open(const std::filesystem::path& path);

  ~InputFile();
  InputFile(InputFile&& other) noexcept
      : path_(std::move(other.path_)),
        fd_(std::exchange(other.fd_, -1)),
        size_bytes_(other.size_bytes_) {}
  InputFile& operator=(InputFile&&) = delete;

  /// Fills `bytes` from `offset` on. Returns how many there were: fewer at the end of the file.
  [[nodiscard]] Result<i64> read_at(i64 offset, std::span<u8> bytes) const;

  i64 size_bytes() const noexcept { return size_bytes_; }  // when it was opened
  int descriptor() const noexcept { return fd_; }

 private:
  InputFile(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::filesystem::path path_;
  int fd_;
  i64 size_bytes_ = 0;
};

}  // namespace fathom::io
