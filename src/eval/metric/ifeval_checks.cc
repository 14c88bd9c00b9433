#include "eval/metric/ifeval_checks.h"

#include <algorithm>
#include <map>

#include "eval/text/python_text.h"
#include "eval/text/regex.h"

namespace fathom::eval {
namespace {

using S = const std::string&;
using K = const InstructionSettings&;

/// Keywords come from the set and are regular expressions there; one that is none is plain text.
Regex pattern(const std::string& text) {
  Result<Regex> regex = Regex::compile(text);
  if (regex) return std::move(*regex);
  return value_or_throw(Regex::compile("(?i)\\Q" + replace_all(text, "\\E", "") + "\\E"));
}

i64 count_of(const std::string& regex, S text) { return std::ssize(pattern(regex).find_all(text)); }
bool has(const std::string& regex, S text) { return count_of(regex, text) > 0; }

/// re.split: the texts between the matches.
std::vector<std::string> split_at(const std::string& regex, S text) {
  const Regex separator = pattern(regex);
  std::vector<std::string> parts;
  size_t at = 0;
  for (size_t from = 0;;) {
    const auto match = separator.find(text, from);
    if (!match) break;
    parts.push_back(text.substr(at, match->first - at));
    at = match->second;
    from = std::max(match->second, match->first + 1);
  }
  parts.push_back(text.substr(at));
  return parts;
}

bool blank(S text) { return strip(text).empty(); }

bool is_upper(S text) { return upper(text) == text && lower(text) != text; }
bool is_lower(S text) { return lower(text) == text && upper(text) != text; }

// keywords

bool keywords_exist(S a, K k) {
  const auto words = k.texts("keywords");
  return std::ranges::all_of(words, [&](S word) { return has("(?i)" + word, a); });
}
bool keyword_frequency(S a, K k) {
  return k.holds(count_of("(?i)" + k.text("keyword"), a), "frequency", "relation");
}
bool no_forbidden_words(S a, K k) {
  const auto words = k.texts("forbidden_words");
  return std::ranges::none_of(words, [&](S word) { return has("(?i)\\b" + word + "\\b", a); });
}
bool letter_frequency(S a, K k) {
  const std::string letter = lower(k.text("letter")), small = lower(a);
  i64 count = 0;
  for (size_t at = 0; !letter.empty() && (at = small.find(letter, at)) != small.npos; ++at) ++count;
  return k.holds(count, "let_frequency", "let_relation");
}

// language and lengths

bool language(S a, K k) { return is_language(a, k.text("language")); }
bool number_sentences(S a, K k) {
  const i64 ends = count_of("[.!?]+[\"')\\]]*(?:\\s|$)", a);
  return k.holds(std::max<i64>(ends, blank(a) ? 0 : 1), "num_sentences", "relation");
}
bool number_words(S a, K k) { return k.holds(count_of("\\w+", a), "num_words", "relation"); }
bool number_paragraphs(S a, K k) {
  const auto parts = split_at("\\s?\\*\\*\\*\\s?", a);
  i64 count = std::ssize(parts);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!blank(parts[i])) continue;
    if (i != 0 && i + 1 != parts.size()) return false;
    --count;
  }
  return count == k.number("num_paragraphs");
}
bool paragraph_first_word(S a, K k) {
  const auto parts = split(a, "\n\n");
  const i64 count = std::ranges::count_if(parts, [](S part) { return !blank(part); });
  const i64 nth = k.number("nth_paragraph"), wanted = k.number("num_paragraphs");
  const std::string first = lower(k.text("first_word"));
  if (nth < 1 || nth > count) return false;
  const auto words = split(parts[static_cast<size_t>(nth - 1)], "");
  if (words.empty()) return false;
  std::string word = words.front();
  word.erase(0, std::min(word.find_first_not_of('\''), word.size()));
  word.erase(0, std::min(word.find_first_not_of('"'), word.size()));
  return count == wanted && lower(word.substr(0, word.find_first_of(".,?!'\""))) == first;
}

// content and format

bool placeholders(S a, K k) { return count_of("\\[.*?\\]", a) >= k.number("num_placeholders"); }
bool postscript(S a, K k) {
  const std::string marker = k.text("postscript_marker");
  const std::string small = lower(a);
  if (marker == "P.P.S") return has("\\s*p\\.\\s?p\\.\\s?s", small);
  if (marker == "P.S.") return has("\\s*p\\.\\s?s\\.", small);
  return has("\\s*" + lower(marker), small);
}
bool bullet_lists(S a, K k) {
  const i64 count = count_of("(?m)^\\s*\\*[^\\*].*$", a) + count_of("(?m)^\\s*-.*$", a);
  return count == k.number("num_bullets");
}
bool constrained_response(S a, K) {
  for (const char* const each : {"My answer is yes.", "My answer is no.", "My answer is maybe."}) {
    if (a.find(each) != a.npos) return true;
  }
  return false;
}
bool highlighted_sections(S a, K k) {
  i64 count = 0;
  for (const auto& match : pattern("\\*[^\\n\\*]*\\*").find_all(a)) {
    count += blank(replace_all(match[0], "*", "")) ? 0 : 1;
  }
  for (const auto& match : pattern("\\*\\*[^\\n\\*]*\\*\\*").find_all(a)) {
    count += blank(replace_all(match[0], "*", "")) ? 0 : 1;
  }
  return count >= k.number("num_highlights");
}
bool multiple_sections(S a, K k) {
  const auto parts = split_at("\\s?" + k.text("section_spliter") + "\\s?\\d+\\s?", a);
  return std::ssize(parts) - 1 >= k.number("num_sections");
}
bool json_format(S a, K) {
  std::string text(strip(a));
  for (const char* const fence : {"```json", "```Json", "```JSON", "```"}) {
    if (text.starts_with(fence)) text = text.substr(std::string_view(fence).size());
  }
  if (text.ends_with("```")) text.resize(text.size() - 3);
  return io::parse_json(strip(text), "answer", {.last_key_wins = true}).has_value();
}
bool title(S a, K) {
  for (const auto& match : pattern("<<[^\\n]+>>").find_all(a)) {
    if (!blank(replace_all(replace_all(match[0], "<", ""), ">", ""))) return true;
  }
  return false;
}

// combinations, ends, case, punctuation

bool two_responses(S a, K) {
  const auto parts = split(a, "******");
  std::vector<std::string> good;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!blank(parts[i])) {
      good.emplace_back(strip(parts[i]));
    } else if (i != 0 && i + 1 != parts.size()) {
      return false;
    }
  }
  return good.size() == 2 && good[0] != good[1];
}
bool repeat_prompt(S a, K k) {
  return lower(strip(a)).starts_with(lower(strip(k.text("prompt_to_repeat"))));
}
bool end_checker(S a, K k) {
  std::string_view text = strip(a);
  while (text.starts_with('"')) text.remove_prefix(1);
  while (text.ends_with('"')) text.remove_suffix(1);
  return lower(text).ends_with(lower(strip(k.text("end_phrase"))));
}
bool quotation(S a, K) {
  const std::string_view text = strip(a);
  return text.size() > 1 && text.front() == '"' && text.back() == '"';
}
bool capital_words(S a, K k) {
  i64 count = 0;
  for (const auto& word : pattern("[\\w'-]+").find_all(a)) count += is_upper(word[0]) ? 1 : 0;
  return k.holds(count, "capital_frequency", "capital_relation");
}
bool english_capital(S a, K) { return is_upper(a) && is_language(a, "en"); }
bool english_lowercase(S a, K) { return is_lower(a) && is_language(a, "en"); }
bool no_comma(S a, K) { return a.find(',') == a.npos; }

}  // namespace

i64 InstructionSettings::number(std::string_view key) const {
  const io::JsonValue* const value = value_.find(key);
  if (value != nullptr && value->is_number()) return static_cast<i64>(value->as_number());
  if (missing_.empty()) missing_ = key;
  return 0;
}

std::string InstructionSettings::text(std::string_view key) const {
  const io::JsonValue* const value = value_.find(key);
  if (value != nullptr && value->is_string()) return value->as_string();
  if (missing_.empty()) missing_ = key;
  return {};
}

std::vector<std::string> InstructionSettings::texts(std::string_view key) const {
  const io::JsonValue* const value = value_.find(key);
  std::vector<std::string> all;
  if (value == nullptr || !value->is_array()) {
    if (missing_.empty()) missing_ = key;
    return all;
  }
  for (const io::JsonValue& each : value->as_array()) {
    if (each.is_string()) all.push_back(each.as_string());
  }
  return all;
}

bool InstructionSettings::holds(i64 count, std::string_view number_key,
                                std::string_view relation_key) const {
  const i64 wanted = number(number_key);
  return text(relation_key) == "less than" ? count < wanted : count >= wanted;
}

InstructionCheck find_check(std::string_view name) {
  static const std::map<std::string_view, InstructionCheck> checks = {
      {"keywords:existence", keywords_exist},
      {"keywords:frequency", keyword_frequency},
      {"keywords:forbidden_words", no_forbidden_words},
      {"keywords:letter_frequency", letter_frequency},
      {"language:response_language", language},
      {"length_constraints:number_sentences", number_sentences},
      {"length_constraints:number_words", number_words},
      {"length_constraints:number_paragraphs", number_paragraphs},
      {"length_constraints:nth_paragraph_first_word", paragraph_first_word},
      {"detectable_content:number_placeholders", placeholders},
      {"detectable_content:postscript", postscript},
      {"detectable_format:number_bullet_lists", bullet_lists},
      {"detectable_format:constrained_response", constrained_response},
      {"detectable_format:number_highlighted_sections", highlighted_sections},
      {"detectable_format:multiple_sections", multiple_sections},
      {"detectable_format:json_format", json_format},
      {"detectable_format:title", title},
      {"combination:two_responses", two_responses},
      {"combination:repeat_prompt", repeat_prompt},
      {"startend:end_checker", end_checker},
      {"startend:quotation", quotation},
      {"change_case:capital_word_frequency", capital_words},
      {"change_case:english_capital", english_capital},
      {"change_case:english_lowercase", english_lowercase},
      {"punctuation:no_comma", no_comma}};
  const auto found = checks.find(name);
  return found == checks.end() ? nullptr : found->second;
}

}  // namespace fathom::eval
