#pragma once
// A file that is whole or absent.
#include <sys/types.h>

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/types.h"

namespace fathom::io {

/// Writes `path` under a temporary name in the same directory. commit() makes the bytes durable,
/// renames and makes the name durable; without it the destructor removes the temporary file, so a
/// failure or a crash leaves the old file or none, never half a one. What a killed process leaves
/// is removed by remove_stale_temporaries (temporary_files.h). Every function but the destructor
/// throws Error{kIo} that names the file, what failed and the system's reason (no space left, ...).
/// Not copyable; movable.
class AtomicFile {
 public:
  /// `mode` as for open(2): less what the umask takes away.
  explicit AtomicFile(std::filesystem::path path, mode_t mode = 0666);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  /// Appends at the end of what append() has written.
  void append(std::span<const u8> bytes);
  void append(std::string_view text);
  /// Writes at an absolute offset; several threads may do so for disjoint ranges.
  void write_at(i64 offset, std::span<const u8> bytes) const;
  /// Claims disk space for `size_bytes` in all, so that a full disk is an error now and not after
  /// hours; the file has at least that size afterwards. File systems that cannot claim are fine.
  void reserve(i64 size_bytes) const;

  /// Flushes to the device; only commit() may follow. Lets many files be finished before the first
  /// appears under its name.
  void seal();
  /// seal() if not done, rename, flush the directory.
  void commit();

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  [[noreturn]] void refuse(std::string_view action, int code) const;

  std::filesystem::path path_;
  std::string temporary_;  // empty once committed or moved from
  int fd_ = -1;  // open until the end: its lock says that the temporary file is somebody's
  bool sealed_ = false;
  i64 end_ = 0;
};

/// The common case: `text` becomes the whole of `path`.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);
/// `to` gets the bytes of `from`. Throws also if `from` cannot be read.
void copy_file_atomically(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace fathom::io
