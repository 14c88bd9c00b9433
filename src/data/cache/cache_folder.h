#pragma once
// Folders of the token cache: made, locked while they are filled, emptied.
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace fathom::data {

/// An exclusive lock on a folder; released when it goes, or when the process ends, however it ends.
/// On a file system without locks there is none, and two processes may do the same work twice.
class FolderLock {
 public:
  /// Waits for another holder, having said by the log what is waited for; nothing once `stopped`
  /// holds, which is asked ten times a second.
  static std::optional<FolderLock> wait(const std::filesystem::path& folder,
                                        const std::string& what,
                                        const std::function<bool()>& stopped = {});
  /// Nothing if somebody else holds it or there is no such folder.
  static std::optional<FolderLock> try_now(const std::filesystem::path& folder);

  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

/// Removes the files of a tokenised source, finished or not, and nothing else; the manifest first.
void remove_tokens(const std::filesystem::path& folder);
/// Removes files under temporary names that killed processes left in the cache and in its sources'
/// folders.
void remove_stale_files(const std::filesystem::path& cache);
/// remove_tokens and the folder, unless somebody is filling it or other files are in it.
void remove_cache_folder(const std::filesystem::path& folder);

}  // namespace fathom::data
