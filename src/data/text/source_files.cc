#include "data/text/source_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_set>

#include "base/parallel.h"
#include "data/text/statistics.h"
#include "io/text/file_kind.h"
#include "io/text/text_file.h"

namespace fathom::data {
namespace {

namespace fs = std::filesystem;

bool has_extension(const fs::path& path, const std::vector<std::string>& extensions) {
  const std::string name = path.filename().string();
  return std::ranges::any_of(extensions,
                             [plain = io::without_compression(name)](const std::string& wanted) {
                               return wanted == "*" || plain.ends_with(wanted);
                             });
}

bool is_json_lines_name(std::string_view plain) {
  return plain.ends_with(".jsonl") || plain.ends_with(".ndjson") || plain.ends_with(".jsonlines");
}

std::string plain_lower_name(const fs::path& path) {
  const std::string name = path.filename().string();
  std::string plain(io::without_compression(name));
  for (char& c : plain) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return plain;
}

SourceFormat format_of(const fs::path& path, SourceFormat asked) {
  if (asked != SourceFormat::kAuto) return asked;
  return is_json_lines_name(plain_lower_name(path)) ? SourceFormat::kJsonl : SourceFormat::kText;
}

/// What one entry of `paths` names; folders filtered by extension.
std::vector<fs::path> find_one(const std::string& pattern, const SourceConfig& source,
                               SourceFiles& result) {
  std::error_code ignored;
  // A file whose own name has a bracket is not a pattern.
  if (fs::is_regular_file(pattern, ignored)) return {pattern};
  io::SearchNotes notes;
  std::vector<fs::path> files;
  if (!fs::is_directory(pattern, ignored)) {
    if (io::is_glob(pattern)) files = io::expand_glob(pattern, notes);
  } else {
    for (fs::path& path : io::files_below(pattern, notes)) {
      if (has_extension(path, source.extensions)) {
        files.push_back(std::move(path));
      } else {
        result.ignored.push_back(path.string());
      }
    }
  }
  std::ranges::move(notes.passed_over, std::back_inserter(result.passed_over));
  std::ranges::move(notes.unreadable, std::back_inserter(result.unreadable));
  return files;
}

std::string list_left_out(const SourceFiles& found) {
  constexpr size_t kListed = 5;
  std::vector<std::string> texts(found.ignored.begin(), found.ignored.end());
  for (const auto& [path, reason] : found.passed_over) {
    texts.push_back(fmt::format("{}: {}", path, reason));
  }
  std::string list;
  for (size_t i = 0; i < std::min(kListed, texts.size()); ++i) list += "\n  not " + texts[i];
  if (texts.size() > kListed) list += fmt::format("\n  and {} more", texts.size() - kListed);
  return list;
}

/// Why an entry of `paths` gave nothing.
Error nothing_found(const std::string& pattern, const SourceConfig& source,
                    const SourceFiles& found, const std::string& where) {
  std::error_code error;
  if (fs::is_directory(pattern, error)) {
    return {ErrorCode::kNotFound,
            fmt::format("{}.paths: no file below `{}` has one of the extensions {}{}", where,
                        pattern, fmt::join(source.extensions, " "), list_left_out(found))};
  }
  if (fs::exists(pattern, error)) {  // a pipe, a device
    const auto looked = io::look_at_text(pattern);
    return {ErrorCode::kInvalidInput,
            fmt::format("{}.paths: {}: {}", where, pattern,
                        looked ? "not a file" : looked.error().message())};
  }
  std::error_code ignored;
  if (fs::is_symlink(fs::symlink_status(pattern, ignored))) {
    return {ErrorCode::kNotFound, fmt::format("{}.paths: {}: a link to nothing", where, pattern)};
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return {ErrorCode::kIo, fmt::format("{}.paths: {}: {}", where, pattern, error.message())};
  }
  return {ErrorCode::kNotFound,
          fmt::format("{}.paths: no file matches `{}`{}", where, pattern, list_left_out(found))};
}

/// Why a text of this head is not what it is taken for; empty if it may be.
std::string json_problem(const SourceFile& file, std::string_view head,
                         const SourceConfig& source) {
  if (file.format == SourceFormat::kJsonl) {
    const std::string not_lines = io::not_json_lines(head);
    return not_lines.empty() ? "" : "is " + not_lines;
  }
  if (source.format != SourceFormat::kAuto) return {};
  const std::string data = io::json_in_text(plain_lower_name(file.path), head, source.text_field);
  if (data.empty()) return {};
  return data + "; format = \"jsonl\" reads lines, format = \"text\" takes the file as it stands";
}

/// Fills in how the file is compressed; why it is refused, or nothing.
std::string look_at(SourceFile& file, const SourceConfig& source) {
  const auto looked = io::look_at_text(file.path);
  if (!looked) return looked.error().message();
  file.compression = looked->compression;
  return json_problem(file, looked->head, source);
}

Result<void> look_at_all(std::vector<SourceFile>& files, const SourceConfig& source,
                         const std::string& where) {
  std::vector<std::string> problems(files.size());
  parallel_for(std::ssize(files), 16, [&](i64 begin, i64 end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      problems[i] = look_at(files[i], source);
    }
  });
  std::string text;
  size_t count = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    if (problems[i].empty() || ++count > kMaxKeptProblems) continue;
    text += fmt::format("\n  {}: {}", files[i].path.string(), problems[i]);
  }
  if (count == 0) return {};
  if (count > kMaxKeptProblems) text += fmt::format("\n  and {} more", count - kMaxKeptProblems);
  return invalid_input(fmt::format("{}.paths: cannot be trained on:{}", where, text));
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
    if (found.empty()) return tl::unexpected(nothing_found(pattern, source, result, where));
    for (const fs::path& path : found) {
      SourceFile file;
      file.path = fs::absolute(path).lexically_normal();
      if (!seen.insert(file.path.native()).second) continue;
      if (!read_marks(file)) {
        result.unreadable.push_back(file.path.string());
        continue;
      }
      file.format = format_of(path, source.format);
      result.files.push_back(std::move(file));
    }
  }
  if (auto looked = look_at_all(result.files, source, where); !looked) {
    return tl::unexpected(std::move(looked.error()));
  }
  return result;
}

}  // namespace fathom::data
