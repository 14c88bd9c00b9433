#include "eval/repair/edit_blocks.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/text/python_text.h"

namespace fathom::eval {
namespace {

using Lines = std::vector<std::string>;

/// With their line ends; the last one gets one if it has none.
Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.emplace_back(std::string(text.substr(0, end)) + "\n");
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return lines;
}

std::string joined(const Lines& lines) { return join(lines, ""); }

bool blank(std::string_view line) { return strip(line).empty(); }

/// `sign` 5 to 9 times and then `word`.
bool is_mark(std::string_view line, char sign, std::string_view word) {
  line = strip(line);
  const size_t count = std::min(line.find_first_not_of(sign), line.size());
  return count >= 5 && count <= 9 && line.substr(count) == word;
}
bool begins_search(std::string_view line) {
  return is_mark(line, '<', " SEARCH") || is_mark(line, '<', " SEARCH>");
}
bool ends_search(std::string_view line) { return is_mark(line, '=', ""); }
bool ends_replace(std::string_view line) { return is_mark(line, '>', " REPLACE"); }

constexpr std::string_view kFence = "```";

/// A line as a path, without the marks of headings and code around it; "": it is none.
std::string path_in(std::string_view line) {
  line = strip(line);
  if (line == "...") return {};
  if (line.starts_with(kFence)) {  // a name where the language should stand
    line.remove_prefix(kFence.size());
    return std::string(line.find_first_of("./") == line.npos ? std::string_view() : line);
  }
  while (!line.empty() && line.back() == ':') line.remove_suffix(1);
  while (!line.empty() && line.front() == '#') line.remove_prefix(1);
  line = strip(line);
  const auto peel = [&line](char sign) {
    while (!line.empty() && line.front() == sign) line.remove_prefix(1);
    while (!line.empty() && line.back() == sign) line.remove_suffix(1);
  };
  peel('`');
  peel('*');
  return std::string(line);
}

/// Inside the folder of the files?
bool stays_inside(std::string_view path) {
  if (path.starts_with('/')) return false;
  for (const std::string& part : split(path, "/")) {
    if (part == "..") return false;
  }
  return true;
}

/// Of the line before a block and, as long as these are fences, up to three: the first with a
/// point in it, else the first.
std::string path_before(const Lines& lines, size_t block) {
  std::string first;
  for (size_t back = 1; back <= 3 && back <= block; ++back) {
    const std::string& line = lines[block - back];
    const std::string path = path_in(line);
    if (path.find('.') != path.npos) return path;
    if (first.empty()) first = path;
    if (!line.starts_with(kFence)) break;
  }
  return first;
}

/// Does a block of commands for a shell begin here, rather than a fence around an edit?
bool begins_commands(const Lines& lines, size_t at) {
  constexpr std::string_view kShells[] = {"bash", "sh",  "shell", "cmd", "batch", "powershell",
                                          "ps1",  "zsh", "fish",  "ksh", "csh",   "tcsh"};
  const std::string_view line = strip(lines[at]);
  if (!line.starts_with(kFence)) return false;
  for (size_t next = at + 1; next <= at + 2 && next < lines.size(); ++next) {
    if (begins_search(lines[next])) return false;
  }
  return std::ranges::any_of(kShells, [&](std::string_view shell) {
    return line.substr(kFence.size()).starts_with(shell);
  });
}

/// The lines up to the one that `ends`; nullopt where none does. `at` is behind it then.
template <typename Ends>
std::optional<std::string> take_until(const Lines& lines, size_t& at, const Ends& ends) {
  std::string taken;
  for (; at < lines.size(); ++at) {
    if (ends(lines[at])) {
      ++at;
      return taken;
    }
    taken += lines[at];
  }
  return std::nullopt;
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// Some models wrap what a block holds in a path and fences of its own.
std::string unwrapped(const std::string& text, const std::string& path) {
  Lines lines = lines_of(text);
  if (!lines.empty() && strip(lines.front()).ends_with(name_of(path))) {
    lines.erase(lines.begin());
  }
  const bool fenced =
      lines.size() >= 2 && lines.front().starts_with(kFence) && lines.back().starts_with(kFence);
  if (fenced) lines = Lines(lines.begin() + 1, lines.end() - 1);
  // Aider drops an empty last line.
  if (!lines.empty() && lines.back() == "\n") lines.pop_back();
  return joined(lines);
}

std::string spliced(const Lines& whole, size_t at, size_t count, const Lines& replacement) {
  std::string out;
  for (size_t i = 0; i < at; ++i) out += whole[i];
  out += joined(replacement);
  for (size_t i = at + count; i < whole.size(); ++i) out += whole[i];
  return out;
}

/// Without the white space that all lines of both begin with.
void outdent(Lines& part, Lines& replacement) {
  size_t least = std::string::npos;
  for (const Lines* const lines : {&part, &replacement}) {
    for (const std::string& line : *lines) {
      if (!blank(line)) least = std::min(least, indent_of(line));
    }
  }
  if (least == std::string::npos) return;
  for (Lines* const lines : {&part, &replacement}) {
    for (std::string& line : *lines) {
      if (!blank(line)) line.erase(0, least);
    }
  }
}

/// What stands before each line of `part` in `whole` from `at` on, if it is the same everywhere.
std::optional<std::string> offset_at(const Lines& whole, size_t at, const Lines& part) {
  std::optional<std::string> offset;
  for (size_t i = 0; i < part.size(); ++i) {
    const std::string& line = whole[at + i];
    if (strip_left(line) != strip_left(part[i])) return std::nullopt;
    if (blank(line)) continue;
    if (line.size() < part[i].size()) return std::nullopt;
    const std::string own = line.substr(0, line.size() - part[i].size());
    if (offset && *offset != own) return std::nullopt;
    offset = own;
  }
  return offset;
}

std::optional<std::string> replaced_lines(const Lines& whole, Lines part, Lines replacement) {
  const size_t places = whole.size() >= part.size() ? whole.size() - part.size() + 1 : 0;
  for (size_t at = 0; at < places; ++at) {
    if (std::equal(part.begin(), part.end(), whole.begin() + static_cast<i64>(at))) {
      return spliced(whole, at, part.size(), replacement);
    }
  }
  outdent(part, replacement);
  for (size_t at = 0; at < places; ++at) {
    const std::optional<std::string> offset = offset_at(whole, at, part);
    if (!offset) continue;
    for (std::string& line : replacement) {
      if (!blank(line)) line.insert(0, *offset);
    }
    return spliced(whole, at, part.size(), replacement);
  }
  return std::nullopt;
}

/// The pieces between lines of "...", and those lines.
void split_at_dots(const std::string& text, Lines& pieces, Lines& dots) {
  pieces.emplace_back();
  for (const std::string& line : lines_of(text)) {
    if (strip(line) == "...") {
      dots.push_back(line);
      pieces.emplace_back();
    } else {
      pieces.back() += line;
    }
  }
}

std::optional<std::string> replaced_between_dots(std::string whole, const Edit& edit) {
  Lines parts, replacements, dots, other_dots;
  split_at_dots(edit.search, parts, dots);
  split_at_dots(edit.replace, replacements, other_dots);
  if (dots.empty() || dots != other_dots) return std::nullopt;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty()) {
      whole += replacements[i];
      continue;
    }
    const size_t at = whole.find(parts[i]);
    if (at == whole.npos || whole.find(parts[i], at + 1) != whole.npos) return std::nullopt;
    whole.replace(at, parts[i].size(), replacements[i]);
  }
  return whole;
}

Files::iterator find_by_name(Files& files, const std::string& path) {
  return std::ranges::find_if(
      files, [&](const auto& each) { return name_of(each.first) == name_of(path); });
}

}  // namespace

Result<std::vector<Edit>> read_edits(std::string_view answer) {
  const Lines lines = lines_of(answer);
  std::vector<Edit> edits;
  size_t at = 0;
  while (at < lines.size()) {
    if (begins_commands(lines, at)) {
      for (++at; at < lines.size() && !strip(lines[at]).starts_with(kFence);) ++at;
    }
    if (at >= lines.size() || !begins_search(lines[at])) {
      ++at;
      continue;
    }
    Edit edit{.path = path_before(lines, at), .search = {}, .replace = {}};
    const size_t number = ++at;
    if (edit.path.empty() && !edits.empty()) edit.path = edits.back().path;
    if (edit.path.empty()) {
      return invalid_input(
          fmt::format("line {}: a SEARCH block without the file's name before it", number));
    }
    if (!stays_inside(edit.path)) {
      return invalid_input(fmt::format("line {}: {} leads out of the folder", number, edit.path));
    }
    const std::optional<std::string> search = take_until(lines, at, ends_search);
    if (!search)
      return invalid_input(fmt::format("line {}: a SEARCH block without =======", number));
    const std::optional<std::string> replace = take_until(
        lines, at, [](const std::string& line) { return ends_replace(line) || ends_search(line); });
    if (!replace) {
      return invalid_input(fmt::format("line {}: a block without >>>>>>> REPLACE", number));
    }
    edit.search = *search;
    edit.replace = *replace;
    edits.push_back(std::move(edit));
  }
  return edits;
}

std::optional<std::string> edited(std::string_view content, const Edit& edit) {
  const std::string search = unwrapped(edit.search, edit.path);
  const std::string replace = unwrapped(edit.replace, edit.path);
  if (blank(search)) return std::string(content) + replace;
  const Lines whole = lines_of(content);
  Lines part = lines_of(search);
  const Lines replacement = lines_of(replace);
  if (auto out = replaced_lines(whole, part, replacement)) return out;
  if (part.size() > 2 && blank(part.front())) {
    part.erase(part.begin());
    if (auto out = replaced_lines(whole, part, replacement)) return out;
  }
  return replaced_between_dots(joined(whole), {edit.path, search, replace});
}

EditOutcome apply_edits(std::string_view answer, Files& files) {
  EditOutcome outcome;
  const Result<std::vector<Edit>> edits = read_edits(answer);
  if (!edits) {
    outcome.malformed = edits.error().message();
    return outcome;
  }
  for (const Edit& edit : *edits) {
    ++outcome.blocks;
    auto own = files.find(edit.path);
    if (own == files.end() && !blank(edit.search)) own = find_by_name(files, edit.path);
    if (own == files.end() && blank(edit.search)) {
      files[edit.path] = edit.replace;
      continue;
    }
    std::optional<std::string> text;
    auto place = own;
    if (own != files.end()) text = edited(own->second, edit);
    for (auto each = files.begin(); !text && each != files.end(); ++each) {
      text = edited(each->second, edit);
      place = each;
    }
    if (text) {
      place->second = std::move(*text);
    } else {
      outcome.failed.push_back(edit);
    }
  }
  return outcome;
}

}  // namespace fathom::eval
