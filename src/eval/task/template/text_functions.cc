// Functions of texts.
#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "eval/task/template/function_tables.h"
#include "eval/text/boxed.h"
#include "eval/text/python_text.h"
#include "eval/text/regex.h"

namespace fathom::eval {

using io::JsonArray;
using io::JsonValue;

Result<JsonValue> expected(std::string_view what, const JsonValue& found) {
  return invalid_input(fmt::format("expected {}, found {}", what, io::describe(found)));
}

JsonValue text_value(std::string_view text) { return JsonValue(std::string(text)); }

Result<JsonValue> map_text(const TextFunction& function, const JsonValue& value, Arguments args) {
  if (value.is_string()) return function(value.as_string(), args);
  if (!value.is_array()) return expected("a text or a list of texts", value);
  JsonArray out;
  for (const JsonValue& each : value.as_array()) {
    Result<JsonValue> result = map_text(function, each, args);
    if (!result) return result;
    out.push_back(std::move(*result));
  }
  return JsonValue(std::move(out));
}

Result<JsonValue> integer_of(const std::string& text, Arguments) {
  const std::string_view digits = strip(text);
  i64 value = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || end.ec != std::errc() || end.ptr != digits.data() + digits.size()) {
    return expected("an integer", text_value(text));
  }
  return JsonValue(value);
}

namespace {

JsonValue part_at(const std::string& text, size_t found, size_t size, bool before) {
  if (found == text.npos) return before ? text_value(text) : text_value("");
  return before ? text_value(text.substr(0, found)) : text_value(text.substr(found + size));
}

Result<JsonValue> substitute(const std::string& text, Arguments args) {
  const Result<Regex> regex = Regex::compile(args[0].as_string());
  if (!regex) return tl::unexpected(regex.error());
  return text_value(regex->replace(text, args[1].as_string()));
}

/// Of the first or last match the first group that holds something, as lm-eval's regex filter takes
/// it.
std::string first_group(const std::vector<std::vector<std::string>>& matches, bool last) {
  if (matches.empty()) return {};
  for (const std::string& group : last ? matches.back() : matches.front()) {
    if (!group.empty()) return std::string(strip(group));
  }
  return {};
}

Result<JsonValue> find_match(const std::string& text, Arguments args) {
  const Result<Regex> regex = Regex::compile(args[0].as_string());
  if (!regex) return tl::unexpected(regex.error());
  return text_value(first_group(regex->find_all(text), /*last=*/false));
}

Result<JsonValue> find_last_match(const std::string& text, Arguments args) {
  const Result<Regex> regex = Regex::compile(args[0].as_string());
  if (!regex) return tl::unexpected(regex.error());
  return text_value(first_group(regex->find_all(text), /*last=*/true));
}

std::string without_last_character(const std::string& text) {
  size_t end = text.size();
  while (end > 0 && (static_cast<u8>(text[end - 1]) & 0xC0) == 0x80) --end;
  return text.substr(0, end > 0 ? end - 1 : 0);
}

std::string lower_first(const std::string& text) {
  size_t end = text.empty() ? 0 : 1;
  while (end < text.size() && (static_cast<u8>(text[end]) & 0xC0) == 0x80) ++end;
  return lower(std::string_view(text).substr(0, end)) + text.substr(end);
}

JsonValue list_of(const std::vector<std::string>& texts) {
  JsonArray out;
  for (const std::string& text : texts) out.emplace_back(text);
  return JsonValue(std::move(out));
}

}  // namespace

const std::map<std::string, std::pair<i64, TextFunction>, std::less<>>& text_functions() {
  using S = const std::string&;
  using A = Arguments;
  static const std::map<std::string, std::pair<i64, TextFunction>, std::less<>> functions = {
      {"strip", {0, [](S s, A) { return text_value(strip(s)); }}},
      {"strip_left", {0, [](S s, A) { return text_value(strip_left(s)); }}},
      {"strip_right", {0, [](S s, A) { return text_value(strip_right(s)); }}},
      {"lower", {0, [](S s, A) { return text_value(lower(s)); }}},
      {"upper", {0, [](S s, A) { return text_value(upper(s)); }}},
      {"capitalize", {0, [](S s, A) { return text_value(capitalize(s)); }}},
      {"lower_first", {0, [](S s, A) { return text_value(lower_first(s)); }}},
      {"without_last_character", {0, [](S s, A) { return text_value(without_last_character(s)); }}},
      {"append", {1, [](S s, A a) { return text_value(s + a[0].as_string()); }}},
      {"prepend", {1, [](S s, A a) { return text_value(a[0].as_string() + s); }}},
      {"split", {1, [](S s, A a) { return list_of(split(s, a[0].as_string())); }}},
      {"replace",
       {2,
        [](S s, A a) { return text_value(replace_all(s, a[0].as_string(), a[1].as_string())); }}},
      {"sub", {2, substitute}},
      {"find", {1, find_match}},
      {"find_last", {1, find_last_match}},
      {"boxed", {0, [](S s, A) { return text_value(last_boxed(s).value_or("")); }}},
      {"before", {1, [](S s, A a) { return part_at(s, s.find(a[0].as_string()), 0, true); }}},
      {"before_last", {1, [](S s, A a) { return part_at(s, s.rfind(a[0].as_string()), 0, true); }}},
      {"after",
       {1,
        [](S s, A a) {
          return part_at(s, s.find(a[0].as_string()), a[0].as_string().size(), false);
        }}},
      {"after_last",
       {1,
        [](S s, A a) {
          return part_at(s, s.rfind(a[0].as_string()), a[0].as_string().size(), false);
        }}},
  };
  return functions;
}

}  // namespace fathom::eval
