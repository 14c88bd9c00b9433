#include "io/text/glob.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <system_error>

#include "io/text/text_file.h"

namespace fathom::io {
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
std::vector<fs::directory_entry> entries_of(const fs::path& folder, SearchNotes& notes) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder.empty() ? "." : folder, error), end; !error && it != end;
       it.increment(error)) {
    entries.push_back(*it);
  }
  if (error && error != std::errc::no_such_file_or_directory &&
      error != std::errc::not_a_directory) {
    notes.unreadable.push_back(folder.string());
  }
  std::ranges::sort(entries, {}, [](const fs::directory_entry& e) { return e.path().native(); });
  return entries;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// Why an entry that is no file, or not one to be taken, was passed over.
std::string reason_of(const fs::directory_entry& entry) {
  std::error_code ignored;
  if (is_hidden(entry.path().filename())) return "hidden: its name begins with a dot";
  if (entry.is_symlink(ignored)) {
    if (entry.is_directory(ignored)) return "a link to a folder, not followed";
    if (!fs::exists(entry.path(), ignored)) return "a link to nothing";
  }
  const std::string special = special_file(entry.path());
  return special.empty() ? "not a file" : special + ", not a file";
}

void collect_below(const fs::path& folder, std::vector<fs::path>& files, SearchNotes& notes) {
  for (const fs::directory_entry& entry : entries_of(folder, notes)) {
    std::error_code ignored;
    const bool is_seen = !is_hidden(entry.path().filename());
    if (is_seen && !entry.is_symlink(ignored) && entry.is_directory(ignored)) {
      collect_below(entry.path(), files, notes);
    } else if (is_seen && is_file(entry.path())) {
      files.push_back(entry.path());
    } else {  // a link to a folder may lead back up
      notes.passed_over.push_back({entry.path().string(), reason_of(entry)});
    }
  }
}

void expand(const fs::path& folder, std::span<const std::string> parts,
            std::vector<fs::path>& files, SearchNotes& notes) {
  const std::string& part = parts[0];
  const bool is_last = parts.size() == 1;
  if (part == "**") {
    if (is_last) return collect_below(folder, files, notes);
    expand(folder, parts.subspan(1), files, notes);
    for (const fs::directory_entry& entry : entries_of(folder, notes)) {
      std::error_code ignored;
      if (!entry.is_directory(ignored)) continue;
      if (is_hidden(entry.path().filename()) || entry.is_symlink(ignored)) {
        notes.passed_over.push_back({entry.path().string(), reason_of(entry)});
      } else {
        expand(entry.path(), parts, files, notes);
      }
    }
  } else if (!is_glob(part)) {
    if (!is_last) return expand(folder / part, parts.subspan(1), files, notes);
    if (is_file(folder / part)) files.push_back(folder / part);
  } else {
    for (const fs::directory_entry& entry : entries_of(folder, notes)) {
      if (!matches_component(part, entry.path().filename().native())) continue;
      if (!is_last) {
        expand(entry.path(), parts.subspan(1), files, notes);
      } else if (is_file(entry.path())) {
        files.push_back(entry.path());
      } else {
        notes.passed_over.push_back({entry.path().string(), reason_of(entry)});
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

std::vector<fs::path> expand_glob(const std::string& pattern, SearchNotes& notes) {
  const fs::path path(pattern);
  std::vector<std::string> parts;
  for (const fs::path& part : path.relative_path()) {
    if (!part.empty()) parts.push_back(part.native());
  }
  std::vector<fs::path> files;
  if (!parts.empty()) expand(path.root_path(), parts, files, notes);
  sort_unique(files);
  return files;
}

std::vector<fs::path> files_below(const fs::path& folder, SearchNotes& notes) {
  std::vector<fs::path> files;
  collect_below(folder, files, notes);
  sort_unique(files);
  return files;
}

}  // namespace fathom::io
