#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "eval/metric/answer_rules.h"
#include "eval/text/python_json.h"
#include "eval/text/python_text.h"
#include "eval/text/regex.h"
#include "io/text/python_format.h"

namespace fathom::eval {
namespace {

using Bag = std::set<std::string>;

/// float(text), as Python reads it, but for digits with underscores between them.
bool is_number(const std::string& text, double& value) {
  const std::string copy(strip(text));
  const std::string small = lower(copy);
  const bool word = small == "inf" || small == "infinity" || small == "nan";
  if (copy.empty() || (!word && copy.find_first_not_of("0123456789.eE+-") != copy.npos))
    return false;
  char* end = nullptr;
  value = std::strtod(copy.c_str(), &end);
  return end == copy.c_str() + copy.size();
}

std::string normalised_word(std::string word) {
  word = lower(word);
  double value = 0.0;
  if (!is_number(word, value)) {
    std::erase_if(word, [](char c) {
      return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
             (c >= 0x7B && c <= 0x7E);
    });
  }
  if (is_number(word, value)) word = io::python_float(value);
  static const Regex articles = value_or_throw(Regex::compile("\\b(a|an|the)\\b"));
  return join(split(articles.replace(word, " "), ""), " ");
}

/// Words of a span, split at spaces and hyphens.
std::string normalised(const std::string& span) {
  std::vector<std::string> words;
  for (const std::string& piece : split(replace_all(span, "-", " "), " ")) {
    const std::string word = normalised_word(piece);
    if (!std::string(strip(word)).empty()) words.push_back(word);
  }
  return std::string(strip(join(words, " ")));
}

Bag words_of(const std::string& span) {
  const std::vector<std::string> words = split(span, "");
  return {words.begin(), words.end()};
}

double words_in_common(const Bag& answer, const Bag& gold) {
  double value = 0.0;
  Bag gold_numbers, shared_numbers;
  for (const std::string& word : gold) {
    if (is_number(word, value)) gold_numbers.insert(word);
  }
  for (const std::string& word : gold_numbers) {
    if (answer.contains(word)) shared_numbers.insert(word);
  }
  if (!gold_numbers.empty() && shared_numbers.empty()) return 0.0;
  const auto shared = static_cast<double>(std::count_if(
      answer.begin(), answer.end(), [&](const auto& word) { return gold.contains(word); }));
  const double precision = answer.empty() ? 1.0 : shared / static_cast<double>(answer.size());
  const double recall = gold.empty() ? 1.0 : shared / static_cast<double>(gold.size());
  return precision == 0.0 && recall == 0.0 ? 0.0 : 2 * precision * recall / (precision + recall);
}

/// The assignment of rows to columns with the largest sum, by the Hungarian method in O(n^3).
double best_assignment(const std::vector<std::vector<double>>& gain, size_t n) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  std::vector<double> u(n + 1), v(n + 1);
  std::vector<size_t> row_of(n + 1), way(n + 1);
  for (size_t i = 1; i <= n; ++i) {
    row_of[0] = i;
    size_t column = 0;
    std::vector<double> least(n + 1, kInfinite);
    std::vector<bool> used(n + 1);
    do {
      used[column] = true;
      const size_t row = row_of[column];
      double delta = kInfinite;
      size_t next = 0;
      for (size_t j = 1; j <= n; ++j) {
        if (used[j]) continue;
        const double cost = -gain[row - 1][j - 1] - u[row] - v[j];
        if (cost < least[j]) {
          least[j] = cost;
          way[j] = column;
        }
        if (least[j] < delta) {
          delta = least[j];
          next = j;
        }
      }
      for (size_t j = 0; j <= n; ++j) {
        if (used[j]) {
          u[row_of[j]] += delta;
          v[j] -= delta;
        } else {
          least[j] -= delta;
        }
      }
      column = next;
    } while (row_of[column] != 0);
    for (; column != 0; column = way[column]) row_of[column] = row_of[way[column]];
  }
  double sum = 0.0;
  for (size_t j = 1; j <= n; ++j) sum += gain[row_of[j] - 1][j - 1];
  return sum;
}

}  // namespace

DropScore drop_score(const std::vector<std::string>& answer, const std::vector<std::string>& gold) {
  std::vector<std::string> spans, right;
  for (const std::string& each : answer) spans.push_back(normalised(each));
  for (const std::string& each : gold) right.push_back(normalised(each));
  DropScore score;
  const std::set<std::string> a(spans.begin(), spans.end()), b(right.begin(), right.end());
  score.exact = a == b && spans.size() == right.size() ? 1.0 : 0.0;
  const size_t n = std::max(spans.size(), right.size());
  if (n == 0) return score;
  std::vector<std::vector<double>> gain(n, std::vector<double>(n, 0.0));
  for (size_t g = 0; g < right.size(); ++g) {
    for (size_t s = 0; s < spans.size(); ++s) {
      gain[g][s] = words_in_common(words_of(spans[s]), words_of(right[g]));
    }
  }
  const double f1 = best_assignment(gain, n) / static_cast<double>(n);
  score.f1 = std::round(f1 * 100) / 100;
  return score;
}

}  // namespace fathom::eval
