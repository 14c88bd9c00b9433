#include "eval/repair/localise.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/repair/edit_prompt.h"
#include "eval/text/python_text.h"
#include "eval/text/regex.h"

namespace fathom::eval {
namespace {

constexpr size_t kMaxListedFiles = 4000, kMaxShownLines = 600;
constexpr i64 kContextLines = 10;

std::vector<std::string> words_of(std::string_view text) {
  static const Regex word = value_or_throw(Regex::compile("[A-Za-z_][A-Za-z0-9_]{2,}"));
  std::vector<std::string> words;
  for (const auto& match : word.find_all(text)) words.push_back(lower(match.front()));
  return words;
}

std::string problem_text(const std::string& problem) {
  return fmt::format("A problem was reported in a repository:\n\n--- begin\n{}\n--- end\n",
                     problem);
}

/// Lines that begin a class or function in the usual languages; the name is a group.
const Regex& element_regex() {
  static const Regex regex = value_or_throw(Regex::compile(
      "^\\s*(?:export |public |private |static |async |pub )*(?:class|def|function|func|fn|struct|"
      "interface|impl|type|trait)\\s+([A-Za-z_][A-Za-z0-9_]*)"));
  return regex;
}

std::string element_in(const std::string& line) {
  const auto found = element_regex().find_all(line);
  return found.empty() ? std::string() : found.front().front();
}

/// The lines of an element that begins at `first`: up to the next one that is indented no deeper.
size_t end_of_element(const std::vector<std::string>& lines, size_t first) {
  size_t end = first + 1;
  while (end < lines.size()) {
    const bool blank = strip(lines[end]).empty();
    if (!blank && indent_of(lines[end]) <= indent_of(lines[first]) &&
        !element_in(lines[end]).empty())
      break;
    ++end;
  }
  return end;
}

/// "PATH\n```\n12| text\n...```": runs of lines, with their numbers.
std::string numbered(const std::string& path, const std::vector<std::string>& lines,
                     const std::set<i64>& shown) {
  std::string text = path + "\n```\n";
  i64 last = 0;
  for (const i64 number : shown) {
    if (number < 1 || number > std::ssize(lines)) continue;
    if (number != last + 1) text += "...\n";
    text += fmt::format("{}| {}\n", number, lines[static_cast<size_t>(number - 1)]);
    last = number;
  }
  return text + "```\n\n";
}

}  // namespace

std::vector<std::string> retrieved_files(const Files& files, const std::string& problem,
                                         size_t count) {
  const std::vector<std::string> asked = words_of(problem);
  const std::set<std::string> wanted(asked.begin(), asked.end());
  std::map<std::string, double> files_with;
  std::map<std::string, std::map<std::string, double>> frequencies;  // by path, by word
  for (const auto& [path, text] : files) {
    auto& own = frequencies[path];
    for (const std::string& word : words_of(path + "\n" + text)) {
      if (wanted.contains(word) && own[word]++ == 0) files_with[word] += 1;
    }
  }
  std::vector<std::pair<double, std::string>> ranked;
  for (const auto& [path, own] : frequencies) {
    double score = 0.0;
    for (const auto& [word, tf] : own) {
      score += tf / (tf + 1) * std::log(1 + static_cast<double>(files.size()) / files_with[word]);
    }
    if (score > 0) ranked.emplace_back(-score, path);
  }
  std::ranges::sort(ranked);
  std::vector<std::string> best;
  for (const auto& each : ranked) {
    if (best.size() < count) best.push_back(each.second);
  }
  return best;
}

std::string files_question(const Files& files, const std::string& problem, size_t count) {
  std::string text = problem_text(problem) + "\nThese are its files:\n\n";
  size_t listed = 0;
  for (const auto& each : files) {
    if (++listed > kMaxListedFiles) break;
    text += each.first + "\n";
  }
  return text + fmt::format(
                    "\nWhich files must be changed? Give at most {} paths, one a line, the most "
                    "likely first, and nothing else.",
                    count);
}

std::vector<std::string> files_answered(const std::string& answer, const Files& files,
                                        size_t count) {
  std::vector<std::string> found;
  for (const std::string& line : split(answer, "\n")) {
    std::string_view path = strip(line);
    while (!path.empty() && (path.back() == '`' || path.back() == ':')) path.remove_suffix(1);
    // "1. `", "- ": but some names begin with a digit or a point.
    constexpr std::string_view kMarks = "-*`0123456789. ";
    while (!path.empty() && !files.contains(std::string(path)) &&
           kMarks.find(path.front()) != kMarks.npos) {
      path.remove_prefix(1);
    }
    const std::string name(path);
    if (!files.contains(name) || std::ranges::find(found, name) != found.end()) continue;
    if (found.size() < count) found.push_back(name);
  }
  return found;
}

std::string elements_question(const Files& files, const std::string& problem) {
  std::string text = problem_text(problem) + "\nThese files may have to do with it:\n\n";
  for (const auto& [path, content] : files) {
    const std::vector<std::string> lines = split(content, "\n");
    std::set<i64> shown;
    for (size_t i = 0; i < lines.size(); ++i) {
      if (!element_in(lines[i]).empty()) shown.insert(static_cast<i64>(i + 1));
    }
    text += numbered(path, lines, shown);
  }
  return text +
         "Which classes and functions must be changed, or understood for that? Give their names, "
         "one "
         "a line, and nothing else.";
}

std::set<std::string> elements_answered(const std::string& answer, const Files& files) {
  std::set<std::string> there, named;
  for (const auto& [path, content] : files) {
    for (const std::string& line : split(content, "\n")) {
      if (std::string name = element_in(line); !name.empty()) there.insert(std::move(name));
    }
  }
  static const Regex name = value_or_throw(Regex::compile("[A-Za-z_][A-Za-z0-9_]*"));
  for (const auto& match : name.find_all(answer)) {
    if (there.contains(match.front())) named.insert(match.front());
  }
  return named;
}

std::string lines_question(const Files& files, const std::set<std::string>& elements,
                           const std::string& problem) {
  std::string text = problem_text(problem) + "\nThis is the code:\n\n";
  for (const auto& [path, content] : files) {
    const std::vector<std::string> lines = split(content, "\n");
    std::set<i64> shown;
    for (size_t i = 0; i < lines.size(); ++i) {
      if (!elements.contains(element_in(lines[i]))) continue;
      const size_t end = end_of_element(lines, i);
      for (size_t k = i; k < end; ++k) shown.insert(static_cast<i64>(k + 1));
    }
    for (size_t i = 0; elements.empty() && i < std::min(lines.size(), kMaxShownLines); ++i) {
      shown.insert(static_cast<i64>(i + 1));
    }
    if (!shown.empty()) text += numbered(path, lines, shown);
  }
  return text +
         "Which lines must be changed? Give each place on a line of its own as PATH:FIRST-LAST, "
         "and "
         "nothing else.";
}

LineSets lines_answered(const std::string& answer, const Files& files) {
  static const Regex place = value_or_throw(
      Regex::compile("([^\\s`:]+):\\s*(?:lines? )?([0-9]{1,7})(?:\\s*-\\s*([0-9]{1,7}))?"));
  LineSets lines;
  for (const auto& match : place.find_all(answer)) {
    const auto file = files.find(match[0]);
    if (file == files.end()) continue;
    const i64 count = std::ranges::count(file->second, '\n') + 1;
    const i64 first = std::stoll(match[1]);
    const i64 named = match[2].empty() ? first : std::stoll(match[2]);
    const i64 last = std::min(count, named);
    for (i64 line = std::max<i64>(first, 1); line <= last; ++line) lines[match[0]].insert(line);
  }
  return lines;
}

std::string edit_question(const Files& files, const LineSets& lines, const std::string& problem) {
  std::string text =
      edit_instructions() + "\n\n" + problem_text(problem) + "\nThis is the code:\n\n";
  for (const auto& [path, content] : files) {
    const std::vector<std::string> all = split(content, "\n");
    std::set<i64> shown;
    if (const auto found = lines.find(path); found != lines.end()) {
      for (const i64 line : found->second) {
        for (i64 near = line - kContextLines; near <= line + kContextLines; ++near) {
          if (near >= 1 && near <= std::ssize(all)) shown.insert(near);
        }
      }
    } else if (!lines.empty()) {
      continue;
    } else {
      for (size_t i = 0; i < std::min(all.size(), kMaxShownLines); ++i) {
        shown.insert(static_cast<i64>(i + 1));
      }
    }
    // Without numbers: SEARCH lines are copied from here.
    text += path + "\n```\n";
    i64 last = 0;
    for (const i64 number : shown) {
      if (number != last + 1) text += "...\n";
      text += all[static_cast<size_t>(number - 1)] + "\n";
      last = number;
    }
    text += "```\n\n";
  }
  return text + "Give the edits that solve the problem.";
}

std::string reproduction_question(const Files& files, const std::string& problem) {
  return problem_text(problem) + "\nThis is the code that may have to do with it:\n\n" +
         shown_files(files) +
         "\nWrite a short Python program that is run in the repository's folder and shows whether "
         "the "
         "problem is still there: it ends with status 1 as long as it is, and with status 0 once "
         "it "
         "is solved. Give it in one fenced block.";
}

std::string program_answered(const std::string& answer) {
  static const Regex fenced = value_or_throw(Regex::compile("(?s)```[^\\n]*\\n(.*?)```"));
  const auto found = fenced.find_all(answer);
  return found.empty() ? std::string() : found.back().front();
}

}  // namespace fathom::eval
