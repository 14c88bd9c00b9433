#include "data/text/source_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "data/text/glob.h"

namespace fathom::data {
namespace {

namespace fs = std::filesystem;

Compression compression_of(std::string_view name) {
  if (name.ends_with(".gz")) return Compression::kGzip;
  if (name.ends_with(".zst")) return Compression::kZstd;
  return Compression::kNone;
}

/// The name without .gz or .zst.
std::string_view plain_name(std::string_view name) {
  switch (compression_of(name)) {
    case Compression::kGzip:
      return name.substr(0, name.size() - 3);
    case Compression::kZstd:
      return name.substr(0, name.size() - 4);
    case Compression::kNone:
      break;
  }
  return name;
}

bool has_extension(const fs::path& path, const std::vector<std::string>& extensions) {
  const std::string name = path.filename().string();
  return std::ranges::any_of(extensions, [plain = plain_name(name)](const std::string& wanted) {
    return wanted == "*" || plain.ends_with(wanted);
  });
}

SourceFormat format_of(const fs::path& path, SourceFormat asked) {
  if (asked != SourceFormat::kAuto) return asked;
  const std::string name = path.filename().string();
  return plain_name(name).ends_with(".jsonl") ? SourceFormat::kJsonl : SourceFormat::kText;
}

/// What one entry of `paths` names; folders filtered by extension.
std::vector<fs::path> find_one(const std::string& pattern, const SourceConfig& source,
                               SourceFiles& result) {
  std::error_code ignored;
  // A file whose own name has a bracket is not a pattern.
  if (fs::is_regular_file(pattern, ignored)) return {pattern};
  if (!fs::is_directory(pattern, ignored)) {
    return is_glob(pattern) ? expand_glob(pattern, result.unreadable) : std::vector<fs::path>{};
  }
  std::vector<fs::path> files = files_below(pattern, result.unreadable);
  result.ignored_files += static_cast<i64>(std::erase_if(
      files, [&](const fs::path& path) { return !has_extension(path, source.extensions); }));
  return files;
}

i64 nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

bool read_marks(SourceFile& file) {
  struct stat status = {};
  if (::stat(file.path.c_str(), &status) != 0) return false;
  file.size_bytes = status.st_size;
  file.modified_ns = nanoseconds(status.st_mtim);
  file.changed_ns = nanoseconds(status.st_ctim);
  file.inode = static_cast<i64>(status.st_ino);
  return true;
}

}  // namespace

bool is_unchanged(const SourceFile& file) {
  SourceFile now = file;
  return read_marks(now) && now.size_bytes == file.size_bytes &&
         now.modified_ns == file.modified_ns && now.changed_ns == file.changed_ns &&
         now.inode == file.inode;
}

Result<SourceFiles> find_source_files(const SourceConfig& source, const std::string& where) {
  SourceFiles result;
  std::unordered_set<std::string> seen;
  for (const std::string& pattern : source.paths) {
    const auto found = find_one(pattern, source, result);
    if (found.empty()) {
      std::string extensions;
      for (const std::string& extension : source.extensions) extensions += " " + extension;
      std::error_code ignored;
      return fail(ErrorCode::kNotFound,
                  fs::is_directory(pattern, ignored)
                      ? fmt::format("{}.paths: no file below `{}` has one of the extensions{}",
                                    where, pattern, extensions)
                      : fmt::format("{}.paths: no file matches `{}`", where, pattern));
    }
    for (const fs::path& path : found) {
      SourceFile file;
      file.path = fs::absolute(path).lexically_normal();
      if (!seen.insert(file.path.native()).second) continue;
      if (!read_marks(file)) {
        result.unreadable.push_back(file.path.string());
        continue;
      }
      file.format = format_of(path, source.format);
      file.compression = compression_of(path.native());
      result.files.push_back(std::move(file));
    }
  }
  return result;
}

}  // namespace fathom::data
