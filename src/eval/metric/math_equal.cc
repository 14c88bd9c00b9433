#include "eval/metric/math_equal.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "eval/text/python_text.h"
#include "eval/text/regex.h"

namespace fathom::eval {
namespace {

constexpr double kTolerance = 1e-9;

/// An answer as a list of parts between brackets: "(1,2]", "\{1,2\}" or "1, 2".
struct Parts {
  char open = ' ', close = ' ';  // ' ': none
  std::vector<std::string> parts;
  bool ordered() const { return open == '(' || open == '['; }
};

/// At commas outside of brackets; those of thousands are not seen by who reads each part alone.
std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : text) {
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (c == ',' && depth == 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

Parts parts_of(std::string text) {
  Parts out;
  for (const std::string_view each : {"\\left", "\\right"}) text = replace_all(text, each, "");
  text = std::string(strip(text));
  if (text.starts_with("\\{") && text.ends_with("\\}")) {
    out.open = '{', out.close = '}';
    text = text.substr(2, text.size() - 4);
  } else if (text.size() >= 2 && (text.front() == '(' || text.front() == '[') &&
             (text.back() == ')' || text.back() == ']') && split_at_commas(text).size() == 1 &&
             split_at_commas(std::string_view(text).substr(1, text.size() - 2)).size() > 1) {
    out.open = text.front(), out.close = text.back();
    text = text.substr(1, text.size() - 2);
  }
  out.parts = split_at_commas(text);
  return out;
}

Verdict compare_values(std::string_view a, std::string_view b) {
  if (a == b) return Verdict::kEqual;
  const auto x = math_value(a), y = math_value(b);
  if (!x || !y) return Verdict::kUndecided;
  const double scale = std::max({1.0, std::abs(*x), std::abs(*y)});
  return std::abs(*x - *y) <= kTolerance * scale ? Verdict::kEqual : Verdict::kDifferent;
}

Verdict compare_parts(const Parts& a, const Parts& b) {
  if (a.open != b.open || a.close != b.close || a.parts.size() != b.parts.size()) {
    return Verdict::kDifferent;
  }
  Verdict all = Verdict::kEqual;
  std::vector<bool> used(b.parts.size());
  for (size_t i = 0; i < a.parts.size(); ++i) {
    Verdict best = Verdict::kDifferent;
    for (size_t j = 0; j < b.parts.size(); ++j) {
      if (used[j] || (a.ordered() && i != j)) continue;
      const Verdict one = compare_values(strip(a.parts[i]), strip(b.parts[j]));
      if (one == Verdict::kUndecided) best = one;
      if (one != Verdict::kEqual) continue;
      used[j] = true;
      best = one;
      break;
    }
    if (best == Verdict::kDifferent) return best;
    if (best == Verdict::kUndecided) all = best;
  }
  return all;
}

Regex regex(std::string_view pattern) { return value_or_throw(Regex::compile(pattern)); }

std::string with_whole_commands(std::string text) {
  static const Regex math = regex("(.*?)(\\$)(.*?)(\\$)(.*)");
  static const Regex word = regex("(\\\\text\\{)(.*?)(\\})");
  static const Regex bold = regex("(\\\\textbf\\{)(.*?)(\\})");
  static const Regex line = regex("(\\\\overline\\{)(.*?)(\\})");
  static const Regex box = regex("(\\\\boxed\\{)(.*)(\\})");
  static const Regex fraction = regex("(frac)([^{])(.)");
  static const Regex root = regex("(sqrt)([^{\\[])");
  text = math.replace(text, "$\\3$");
  for (const Regex* const each : {&word, &bold, &line, &box}) text = each->replace(text, "\\2");
  text = fraction.replace(text, "frac{\\2}{\\3}");
  return replace_all(root.replace(text, "sqrt{\\2}"), "$", "");
}

}  // namespace

std::string minerva_normalised(std::string_view answer) {
  constexpr std::pair<std::string_view, std::string_view> kReplaced[] = {
      {"an ", ""},          {"a ", ""},
      {".$", "$"},          {"\\$", ""},
      {"\\ ", ""},          {" ", ""},
      {"mbox", "text"},     {",\\text{and}", ","},
      {"\\text{and}", ","}, {"\\text{m}", "\\text{}"}};
  constexpr std::string_view kRemoved[] = {"square",       "ways",
                                           "integers",     "dollars",
                                           "mph",          "inches",
                                           "ft",           "hours",
                                           "km",           "units",
                                           "\\ldots",      "sue",
                                           "points",       "feet",
                                           "minutes",      "digits",
                                           "cents",        "degrees",
                                           "cm",           "gm",
                                           "pounds",       "meters",
                                           "meals",        "edges",
                                           "students",     "childrentickets",
                                           "multiples",    "\\text{s}",
                                           "\\text{.}",    "\\text{\ns}",
                                           "\\text{}^2",   "\\text{}^3",
                                           "\\text{\n}",   "\\text{}",
                                           "\\mathrm{th}", "^\\circ",
                                           "^{\\circ}",    "\\;",
                                           ",\\!",         "{,}",
                                           "\"",           "\\dots"};
  std::string text(answer.substr(answer.rfind('=') + 1));
  for (const auto& [from, to] : kReplaced) text = replace_all(text, from, to);
  for (const std::string_view each : kRemoved) text = replace_all(text, each, "");
  text = with_whole_commands(std::move(text));
  const std::string digits = replace_all(text, ",", "");
  const bool number = !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
  return number ? digits : text;
}

Verdict math_equal(std::string_view answer, std::string_view gold) {
  const std::string a = minerva_normalised(answer), b = minerva_normalised(gold);
  if (a == b) return Verdict::kEqual;
  const Verdict whole = compare_values(a, b);
  if (whole != Verdict::kUndecided) return whole;
  const Parts x = parts_of(a), y = parts_of(b);
  if (x.parts.size() == 1 && y.parts.size() == 1 && x.open == ' ' && y.open == ' ') return whole;
  return compare_parts(x, y);
}

}  // namespace fathom::eval
