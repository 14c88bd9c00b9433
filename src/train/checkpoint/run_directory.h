#pragma once
// The directory of a run. docs/file-formats.md has its layout.
#include <filesystem>
#include <optional>
#include <vector>

#include "base/types.h"
#include "data/cache/cache_folder.h"

namespace fathom::train {

/// The checkpoint of the highest step of the run at `path`, for readers: takes no lock and makes
/// nothing. nullopt if it has none.
std::optional<std::filesystem::path> newest_checkpoint(const std::filesystem::path& path);

class RunDirectory {
 public:
  /// Makes it if absent, locks it, and removes what a killed process left half done. Throws
  /// Error{kInvalidInput} if another process trains there, Error{kIo}.
  explicit RunDirectory(std::filesystem::path path);
  /// For the other ranks of a run that writes there: takes no lock, and makes and removes nothing.
  static RunDirectory of_other_rank(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  /// checkpoints/step-000100
  std::filesystem::path checkpoint(i64 step) const;
  std::filesystem::path model() const { return path_ / "model"; }
  std::filesystem::path model_ema() const { return path_ / "model-ema"; }

  /// Steps of all checkpoints, rising.
  std::vector<i64> checkpoint_steps() const;
  /// Removes all checkpoints but the `keep_last` newest and `best`.
  void prune(i64 keep_last, std::optional<i64> best) const;
  /// Puts checkpoints of later steps aside, as NAME.aside: the run goes on from `step`. Returns how
  /// many.
  i64 set_aside_after(i64 step) const;

 private:
  RunDirectory(std::filesystem::path path, std::optional<data::FolderLock> lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  void clean_up() const;

  std::filesystem::path path_;
  std::optional<data::FolderLock> lock_;
};

}  // namespace fathom::train
