#include "eval/repair/unified_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/types.h"

namespace fathom::eval {
namespace {

constexpr size_t kContext = 3;
constexpr size_t kMaxTable = size_t{1} << 24;  // cells; larger changes become one block

using LineViews = std::vector<std::string_view>;

/// With their line ends, which the last one may lack.
LineViews line_views(std::string_view text) {
  LineViews lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

struct Line {
  char sign;  // ' ', '-', '+'
  std::string_view text;
};

/// By the longest common subsequence of the lines between the equal ends.
void add_middle(const LineViews& a, const LineViews& b, std::vector<Line>& out) {
  const size_t n = a.size(), m = b.size();
  if ((n + 1) * (m + 1) > kMaxTable) {
    for (const std::string_view line : a) out.push_back({'-', line});
    for (const std::string_view line : b) out.push_back({'+', line});
    return;
  }
  std::vector<u32> longest((n + 1) * (m + 1), 0);  // [from i][from j]
  const auto at = [m](size_t i, size_t j) { return i * (m + 1) + j; };
  for (size_t i = n; i-- > 0;) {
    for (size_t j = m; j-- > 0;) {
      longest[at(i, j)] = a[i] == b[j] ? longest[at(i + 1, j + 1)] + 1
                                       : std::max(longest[at(i + 1, j)], longest[at(i, j + 1)]);
    }
  }
  size_t i = 0, j = 0;
  while (i < n || j < m) {
    if (i < n && j < m && a[i] == b[j]) {
      out.push_back({' ', a[i++]});
      ++j;
    } else if (i < n && (j == m || longest[at(i + 1, j)] >= longest[at(i, j + 1)])) {
      out.push_back({'-', a[i++]});
    } else {
      out.push_back({'+', b[j++]});
    }
  }
}

std::vector<Line> diff_lines(const LineViews& a, const LineViews& b) {
  const size_t shorter = std::min(a.size(), b.size());
  size_t begin = 0, end = 0;
  while (begin < shorter && a[begin] == b[begin]) ++begin;
  while (end < shorter - begin && a[a.size() - 1 - end] == b[b.size() - 1 - end]) ++end;
  std::vector<Line> out;
  for (size_t i = 0; i < begin; ++i) out.push_back({' ', a[i]});
  const auto part = [&](const LineViews& all) {
    return LineViews(all.begin() + static_cast<i64>(begin), all.end() - static_cast<i64>(end));
  };
  add_middle(part(a), part(b), out);
  for (size_t i = a.size() - end; i < a.size(); ++i) out.push_back({' ', a[i]});
  return out;
}

/// "7,2", "7" of one line; of none the line before.
std::string range_text(size_t first, size_t count) {
  if (count == 1) return fmt::format("{}", first);
  return fmt::format("{},{}", count == 0 ? first - 1 : first, count);
}

}  // namespace

std::string unified_diff(std::string_view path, std::string_view before, std::string_view after,
                         bool is_new) {
  const std::vector<Line> lines = diff_lines(line_views(before), line_views(after));
  std::vector<bool> shown(lines.size(), false);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].sign == ' ') continue;
    const size_t last = std::min(lines.size(), i + kContext + 1);
    for (size_t k = i - std::min(i, kContext); k < last; ++k) shown[k] = true;
  }
  std::string hunks;
  size_t old_line = 1, new_line = 1;
  for (size_t i = 0; i < lines.size();) {
    if (!shown[i]) {
      ++old_line, ++new_line, ++i;
      continue;
    }
    std::string body;
    size_t olds = 0, news = 0;
    for (; i < lines.size() && shown[i]; ++i) {
      body += lines[i].sign;
      body += lines[i].text;
      if (!lines[i].text.ends_with('\n')) body += "\n\\ No newline at end of file\n";
      olds += lines[i].sign != '+' ? 1 : 0;
      news += lines[i].sign != '-' ? 1 : 0;
    }
    hunks += fmt::format("@@ -{} +{} @@\n{}", range_text(old_line, olds),
                         range_text(new_line, news), body);
    old_line += olds;
    new_line += news;
  }
  if (hunks.empty() && !is_new) return {};
  std::string head = fmt::format("diff --git a/{0} b/{0}\n", path);
  if (is_new) head += "new file mode 100644\n";
  if (hunks.empty()) return head;
  return head + (is_new ? "--- /dev/null\n" : fmt::format("--- a/{}\n", path)) +
         fmt::format("+++ b/{}\n", path) + hunks;
}

}  // namespace fathom::eval
