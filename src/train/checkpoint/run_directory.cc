#include "train/checkpoint/run_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "base/error.h"
#include "io/files/directories.h"
#include "io/files/temporary_files.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kTrash = ".trash-";

/// 100 of "step-000100"; nothing for any other name.
std::optional<i64> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  i64 step = 0;
  const char* begin = name.data() + kPrefix.size();
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(begin, end, step);
  if (parsed.ec != std::errc() || parsed.ptr != end || begin == end) return std::nullopt;
  return step;
}

constexpr std::string_view kCheckpoints = "checkpoints";

data::FolderLock lock(const fs::path& path) {
  io::make_directories(path / kCheckpoints);
  auto held = data::FolderLock::try_now(path);
  if (!held) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: another process is training there", path.string()));
  }
  return std::move(*held);
}

}  // namespace

std::optional<fs::path> newest_checkpoint(const fs::path& path) {
  if (!fs::is_directory(path / kCheckpoints)) return std::nullopt;
  std::optional<fs::path> newest;
  i64 newest_step = -1;
  for (const auto& entry : fs::directory_iterator(path / kCheckpoints)) {
    const auto step = step_of(entry.path().filename().string());
    if (!step || *step <= newest_step || !entry.is_directory()) continue;
    newest_step = *step;
    newest = entry.path();
  }
  return newest;
}

RunDirectory::RunDirectory(fs::path path) : path_(std::move(path)), lock_(lock(path_)) {
  clean_up();
}

RunDirectory RunDirectory::of_other_rank(fs::path path) { return {std::move(path), std::nullopt}; }

void RunDirectory::clean_up() const {
  for (const fs::path& folder : {path_, checkpoints()}) {
    std::vector<fs::path> left;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      const bool temporary = name.starts_with(".step-") || name.starts_with(".model");
      if (name.starts_with(kTrash) || (temporary && name.ends_with(".tmp"))) {
        left.push_back(entry.path());
      }
    }
    for (const fs::path& path : left) fs::remove_all(path);
    io::remove_stale_temporaries(folder);
  }
}

fs::path RunDirectory::checkpoint(i64 step) const {
  return checkpoints() / fmt::format("{}{:06}", kPrefix, step);
}

std::vector<i64> RunDirectory::checkpoint_steps() const {
  std::vector<i64> steps;
  for (const auto& entry : fs::directory_iterator(checkpoints())) {
    const auto step = step_of(entry.path().filename().string());
    if (step && entry.is_directory()) steps.push_back(*step);
  }
  std::ranges::sort(steps);
  return steps;
}

void RunDirectory::prune(i64 keep_last, std::optional<i64> best) const {
  const std::vector<i64> steps = checkpoint_steps();
  for (i64 i = 0; i + keep_last < std::ssize(steps); ++i) {
    const i64 step = steps[static_cast<size_t>(i)];
    if (best && *best == step) continue;
    // Renamed first: a checkpoint under its name is whole, also if we are killed in between.
    const fs::path trash = checkpoints() / fmt::format("{}{}", kTrash, step);
    fs::rename(checkpoint(step), trash);
    fs::remove_all(trash);
  }
}

i64 RunDirectory::set_aside_after(i64 step) const {
  i64 count = 0;
  for (const i64 later : checkpoint_steps()) {
    if (later <= step) continue;
    fs::path aside = checkpoint(later);
    aside += ".aside";
    fs::remove_all(aside);
    fs::rename(checkpoint(later), aside);
    ++count;
  }
  return count;
}

}  // namespace fathom::train
