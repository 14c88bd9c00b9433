#pragma once
// A log file that grows by whole records.
#include <filesystem>
#include <string>
#include <string_view>

#include "base/types.h"

namespace fathom::io {

/// Appends records to a file that may exist. A record is in the file as a whole or not at all as
/// long as the process lives: what a failed write left is cut off again. Only a crash of the
/// machine or of the process in the middle of a write leaves a torn one at the end.
/// Every function but the destructor throws Error{kIo} that names the file, what failed and why.
class AppendFile {
 public:
  /// Opens or creates; kInvalidInput if the name is taken by something that is no regular file.
  explicit AppendFile(std::filesystem::path path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void append(std::string_view record);
  /// Cuts off what lies behind.
  void truncate(i64 size_bytes);
  /// Makes the bytes durable.
  void flush();

  i64 size_bytes() const noexcept { return end_; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  [[noreturn]] void refuse(std::string_view action, int code) const;

  std::filesystem::path path_;
  int fd_ = -1;
  i64 end_ = 0;
};

}  // namespace fathom::io
