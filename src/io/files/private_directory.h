#pragma once
// A directory that one process alone reads and writes.
#include <filesystem>

namespace fathom::io {

/// Ours, closed to other users (0700), and locked against other processes while the object lives.
/// What processes that were killed left under temporary names is removed.
class PrivateDirectory {
 public:
  /// Makes it with the parents that it lacks. Throws Error{kInvalidInput} if the name is taken by
  /// something else, if it belongs to another user or if others may enter it; Error{kIo} if
  /// another process has it or the system refuses.
  explicit PrivateDirectory(std::filesystem::path path);
  ~PrivateDirectory();
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace fathom::io
