#include "data/text/glob.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <system_error>

namespace fathom::data {
namespace {

namespace fs = std::filesystem;

struct CharacterClass {
  bool matches = false;
  size_t length = 0;  // of the pattern's text, brackets included
};

/// pattern[0] is '['. Nothing if it is never closed. A ']' right after the opening is a member.
std::optional<CharacterClass> match_class(std::string_view pattern, char c) {
  size_t i = 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  bool found = false;
  const auto byte = [](char x) { return static_cast<unsigned char>(x); };
  for (const size_t first = i; i < pattern.size(); ++i) {
    if (pattern[i] == ']' && i > first) return CharacterClass{found != negated, i + 1};
    const bool is_range = i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']';
    const char last = is_range ? pattern[i + 2] : pattern[i];
    found = found || (byte(pattern[i]) <= byte(c) && byte(c) <= byte(last));
    if (is_range) i += 2;
  }
  return std::nullopt;
}

bool is_hidden(const fs::path& name) { return name.native().starts_with('.'); }

/// The entries of a folder by name; an empty list if there is no such folder.
std::vector<fs::directory_entry> entries_of(const fs::path& folder,
                                            std::vector<std::string>& unreadable) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder.empty() ? "." : folder, error), end; !error && it != end;
       it.increment(error)) {
    entries.push_back(*it);
  }
  if (error && error != std::errc::no_such_file_or_directory &&
      error != std::errc::not_a_directory) {
    unreadable.push_back(folder.string());
  }
  std::ranges::sort(entries, {}, [](const fs::directory_entry& e) { return e.path().native(); });
  return entries;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

void collect_below(const fs::path& folder, std::vector<fs::path>& files,
                   std::vector<std::string>& unreadable) {
  for (const fs::directory_entry& entry : entries_of(folder, unreadable)) {
    if (is_hidden(entry.path().filename())) continue;
    std::error_code ignored;
    // A link to a folder is not entered: it may lead back up.
    if (entry.is_symlink(ignored) ? false : entry.is_directory(ignored)) {
      collect_below(entry.path(), files, unreadable);
    } else if (is_file(entry.path())) {
      files.push_back(entry.path());
    }
  }
}

void expand(const fs::path& folder, std::span<const std::string> parts,
            std::vector<fs::path>& files, std::vector<std::string>& unreadable) {
  const std::string& part = parts[0];
  const bool is_last = parts.size() == 1;
  if (part == "**") {
    if (is_last) return collect_below(folder, files, unreadable);
    expand(folder, parts.subspan(1), files, unreadable);
    for (const fs::directory_entry& entry : entries_of(folder, unreadable)) {
      std::error_code ignored;
      if (!is_hidden(entry.path().filename()) && !entry.is_symlink(ignored) &&
          entry.is_directory(ignored)) {
        expand(entry.path(), parts, files, unreadable);
      }
    }
  } else if (!is_glob(part)) {
    if (!is_last) return expand(folder / part, parts.subspan(1), files, unreadable);
    if (is_file(folder / part)) files.push_back(folder / part);
  } else {
    for (const fs::directory_entry& entry : entries_of(folder, unreadable)) {
      if (!matches_component(part, entry.path().filename().native())) continue;
      if (!is_last) {
        expand(entry.path(), parts.subspan(1), files, unreadable);
      } else if (is_file(entry.path())) {
        files.push_back(entry.path());
      }
    }
  }
}

void sort_unique(std::vector<fs::path>& files) {
  std::ranges::sort(files, {}, [](const fs::path& path) { return path.native(); });
  const auto same = [](const fs::path& a, const fs::path& b) { return a.native() == b.native(); };
  files.erase(std::unique(files.begin(), files.end(), same), files.end());
}

}  // namespace

bool is_glob(std::string_view path) { return path.find_first_of("*?[") != std::string_view::npos; }

bool matches_component(std::string_view pattern, std::string_view name) {
  if (name.starts_with('.') && !pattern.starts_with('.')) return false;
  // One star is undone at a time: when a later one is reached, earlier ones need no second look.
  size_t p = 0, n = 0;
  size_t star = std::string_view::npos, star_end = 0;
  while (n < name.size()) {
    std::optional<CharacterClass> set;
    if (p < pattern.size() && pattern[p] == '[') set = match_class(pattern.substr(p), name[n]);
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_end = n;
    } else if (set && set->matches) {
      p += set->length;
      ++n;
    } else if (p < pattern.size() && !set && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++star_end;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::vector<fs::path> expand_glob(const std::string& pattern,
                                  std::vector<std::string>& unreadable) {
  const fs::path path(pattern);
  std::vector<std::string> parts;
  for (const fs::path& part : path.relative_path()) {
    if (!part.empty()) parts.push_back(part.native());
  }
  std::vector<fs::path> files;
  if (!parts.empty()) expand(path.root_path(), parts, files, unreadable);
  sort_unique(files);
  return files;
}

std::vector<fs::path> files_below(const fs::path& folder, std::vector<std::string>& unreadable) {
  std::vector<fs::path> files;
  collect_below(folder, files, unreadable);
  sort_unique(files);
  return files;
}

}  // namespace fathom::data
