#include "eval/task/functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "eval/text/boxed.h"
#include "eval/text/python_json.h"
#include "eval/text/python_text.h"
#include "eval/text/regex.h"
#include "eval/text/sha256.h"

namespace fathom::eval {
namespace {

using io::JsonArray;
using io::JsonValue;
using Arguments = std::span<const JsonValue>;

Result<JsonValue> expected(std::string_view what, const JsonValue& found) {
  return invalid_input(fmt::format("expected {}, found {}", what, io::describe(found)));
}

/// A function of a text, which of a list is applied to each element.
using TextFunction = std::function<Result<JsonValue>(const std::string&, Arguments)>;

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

JsonValue text_value(std::string_view text) { return JsonValue(std::string(text)); }

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

Result<JsonValue> integer_of(const std::string& text, Arguments) {
  const std::string_view digits = strip(text);
  i64 value = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || end.ec != std::errc() || end.ptr != digits.data() + digits.size()) {
    return expected("an integer", text_value(text));
  }
  return JsonValue(value);
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

/// Functions of texts, with the number of their arguments, which are texts.
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

bool equal(const JsonValue& a, const JsonValue& b) {
  return a.kind() == b.kind() && python_json(a) == python_json(b);
}

Result<JsonValue> index_in(const JsonValue& value, const JsonValue& list) {
  if (!list.is_array()) return expected("a list", list);
  const JsonArray& array = list.as_array();
  for (size_t i = 0; i < array.size(); ++i) {
    if (equal(array[i], value)) return JsonValue(static_cast<i64>(i));
  }
  return expected("one of " + python_str(list), value);
}

Result<JsonValue> pick_from(const JsonValue& value, const JsonValue& list) {
  if (!value.is_integer()) return expected("an integer", value);
  if (!list.is_array()) return expected("a list", list);
  const i64 index = value.as_integer(), size = std::ssize(list.as_array());
  if (index < 0 || index >= size) {
    return expected(fmt::format("an index below {}", size), value);
  }
  return list.as_array()[static_cast<size_t>(index)];
}

Result<JsonValue> joined(const JsonValue& value, const JsonValue& separator) {
  if (!value.is_array()) return expected("a list", value);
  if (!separator.is_string()) return expected("a text", separator);
  std::vector<std::string> parts;
  for (const JsonValue& each : value.as_array()) parts.push_back(python_str(each));
  return text_value(join(parts, separator.as_string()));
}

Result<JsonValue> sliced(const JsonValue& value, Arguments args) {
  if (!args[0].is_integer() || !args[1].is_integer()) return expected("two integers", args[0]);
  const bool text = value.is_string();
  if (!text && !value.is_array()) return expected("a list or a text", value);
  const i64 size = text ? num_characters(value.as_string()) : std::ssize(value.as_array());
  const auto place = [size](i64 index) {
    return std::clamp<i64>(index < 0 ? index + size : index, 0, size);
  };
  const i64 begin = place(args[0].as_integer());
  const i64 end = std::max(begin, place(args[1].as_integer()));
  if (!text) {
    const JsonArray& array = value.as_array();
    return JsonValue(JsonArray(array.begin() + begin, array.begin() + end));
  }
  std::string out;
  i64 at = -1;
  for (const char c : value.as_string()) {
    if ((static_cast<u8>(c) & 0xC0) != 0x80) ++at;
    if (at >= begin && at < end) out += c;
  }
  return text_value(out);
}

Result<JsonValue> letters_of(const JsonValue& value) {
  if (!value.is_array()) return expected("a list", value);
  constexpr i64 kLetters = 26;
  if (std::ssize(value.as_array()) > kLetters) return expected("at most 26 elements", value);
  JsonArray letters;
  for (i64 i = 0; i < std::ssize(value.as_array()); ++i) {
    letters.emplace_back(std::string(1, static_cast<char>('A' + i)));
  }
  return JsonValue(std::move(letters));
}

/// "A. first", "B. second", ...
Result<JsonValue> lettered(const JsonValue& value, const JsonValue& between) {
  if (!between.is_string()) return expected("a text", between);
  const Result<JsonValue> letters = letters_of(value);
  if (!letters) return letters;
  JsonArray lines;
  for (size_t i = 0; i < value.as_array().size(); ++i) {
    lines.emplace_back(letters->as_array()[i].as_string() + between.as_string() +
                       python_str(value.as_array()[i]));
  }
  return JsonValue(std::move(lines));
}

Result<JsonValue> member_named(const JsonValue& value, const JsonValue& name) {
  if (!name.is_string()) return expected("a text", name);
  const JsonValue* const found = value.find(name.as_string());
  if (found != nullptr) return *found;
  return expected("the name of a member", name);
}

/// In the order of the elements' hashes with a seed, so that it depends on nothing else.
Result<JsonValue> shuffled(const JsonValue& value, const JsonValue& seed) {
  if (!value.is_array()) return expected("a list", value);
  std::vector<std::pair<std::string, size_t>> order;
  for (size_t i = 0; i < value.as_array().size(); ++i) {
    const std::string text = python_str(value.as_array()[i]);
    order.emplace_back(sha256_hex(python_str(seed) + "\n" + text), i);
  }
  std::ranges::sort(order);
  JsonArray out;
  for (const auto& each : order) out.push_back(value.as_array()[each.second]);
  return JsonValue(std::move(out));
}

Result<JsonValue> pairs_of(const JsonValue& value) {
  if (!value.is_object()) return expected("an object", value);
  JsonArray pairs;
  for (const auto& [key, each] : value.as_object()) pairs.emplace_back(JsonArray{key, each});
  return JsonValue(std::move(pairs));
}

Result<JsonValue> values_of(const JsonValue& value) {
  if (!value.is_object()) return expected("an object", value);
  JsonArray values;
  for (const auto& [key, each] : value.as_object()) values.push_back(each);
  return JsonValue(std::move(values));
}

/// DROP's answers {number, date {day, month, year}, spans []} as lists of spans, each list once.
Result<JsonValue> drop_spans(const JsonValue& value) {
  if (!value.is_array()) return expected("a list of answers", value);
  JsonArray all;
  for (const JsonValue& answer : value.as_array()) {
    const JsonValue* const number = answer.find("number");
    const JsonValue* const spans = answer.find("spans");
    if (number == nullptr || spans == nullptr || !spans->is_array()) {
      return expected("an object with number and spans", answer);
    }
    JsonArray one;
    if (const std::string text = python_str(*number); !text.empty()) {
      one.emplace_back(text);
    } else if (!spans->as_array().empty()) {
      one = spans->as_array();
    } else {
      std::vector<std::string> parts;
      const JsonValue* const date = answer.find("date");
      for (const char* const key : {"day", "month", "year"}) {
        const JsonValue* const part = date == nullptr ? nullptr : date->find(key);
        parts.push_back(part == nullptr ? "" : python_str(*part));
      }
      one.emplace_back(std::string(strip(join(parts, " "))));
    }
    const bool there = std::any_of(
        all.begin(), all.end(), [&](const JsonValue& each) { return equal(each, JsonValue(one)); });
    if (!there) all.emplace_back(std::move(one));
  }
  return JsonValue(std::move(all));
}

Result<JsonValue> flattened(const JsonValue& value) {
  if (!value.is_array()) return expected("a list of lists", value);
  JsonArray flat;
  for (const JsonValue& each : value.as_array()) {
    if (!each.is_array()) return expected("a list of lists", value);
    flat.insert(flat.end(), each.as_array().begin(), each.as_array().end());
  }
  return JsonValue(std::move(flat));
}

Result<JsonValue> added(const JsonValue& value, const JsonValue& other, i64 sign) {
  if (!value.is_integer()) return expected("an integer", value);
  if (!other.is_integer()) return expected("an integer", other);
  i64 sum = 0;
  const bool overflow = sign > 0
                            ? __builtin_add_overflow(value.as_integer(), other.as_integer(), &sum)
                            : __builtin_sub_overflow(value.as_integer(), other.as_integer(), &sum);
  if (overflow) return expected("a smaller integer", value);
  return JsonValue(sum);
}

Result<JsonValue> between(const JsonValue& value, Arguments args) {
  for (const JsonValue* const each : {&value, &args[0], &args[1]}) {
    if (!each->is_integer()) return expected("an integer", *each);
  }
  const i64 number = value.as_integer();
  return JsonValue(args[0].as_integer() <= number && number <= args[1].as_integer() ? i64{1}
                                                                                    : i64{0});
}

using ValueFunction = std::function<Result<JsonValue>(const JsonValue&, Arguments)>;

Result<JsonValue> to_integer(const JsonValue& value, Arguments args) {
  if (value.is_bool()) return JsonValue(value.as_bool() ? i64{1} : i64{0});
  return value.is_integer() ? Result<JsonValue>(value) : map_text(integer_of, value, args);
}

Result<JsonValue> size_of(const JsonValue& value, Arguments) {
  if (!value.is_array()) return expected("a list", value);
  return JsonValue(std::ssize(value.as_array()));
}

const std::map<std::string, std::pair<i64, ValueFunction>, std::less<>>& value_functions() {
  using V = const JsonValue&;
  using A = Arguments;
  static const std::map<std::string, std::pair<i64, ValueFunction>, std::less<>> functions = {
      {"int", {0, to_integer}},
      {"text", {0, [](V v, A) { return text_value(python_str(v)); }}},
      {"size", {0, size_of}},
      {"pairs", {0, [](V v, A) { return pairs_of(v); }}},
      {"values", {0, [](V v, A) { return values_of(v); }}},
      {"lettered", {1, [](V v, A a) { return lettered(v, a[0]); }}},
      {"member", {1, [](V v, A a) { return member_named(v, a[0]); }}},
      {"shuffle", {1, [](V v, A a) { return shuffled(v, a[0]); }}},
      {"letters", {0, [](V v, A) { return letters_of(v); }}},
      {"drop_spans", {0, [](V v, A) { return drop_spans(v); }}},
      {"flat", {0, [](V v, A) { return flattened(v); }}},
      {"join", {1, [](V v, A a) { return joined(v, a[0]); }}},
      {"slice", {2, sliced}},
      {"index", {1, [](V v, A a) { return index_in(v, a[0]); }}},
      {"pick", {1, [](V v, A a) { return pick_from(v, a[0]); }}},
      {"between", {2, between}},
      {"minus", {1, [](V v, A a) { return added(v, a[0], -1); }}},
      {"plus", {1, [](V v, A a) { return added(v, a[0], 1); }}},
      {"equals", {1, [](V v, A a) { return JsonValue(equal(v, a[0]) ? i64{1} : i64{0}); }}},
      {"or",
       {1, [](V v,
              A a) { return v.is_null() || (v.is_string() && v.as_string().empty()) ? a[0] : v; }}},
  };
  return functions;
}

}  // namespace

std::string check_function(const std::string& name, i64 num_arguments) {
  i64 wanted = -1;
  if (const auto text = text_functions().find(name); text != text_functions().end()) {
    wanted = text->second.first;
  } else if (const auto any = value_functions().find(name); any != value_functions().end()) {
    wanted = any->second.first;
  }
  if (wanted < 0) {
    std::vector<std::string_view> names;
    for (const auto& each : text_functions()) names.push_back(each.first);
    for (const auto& each : value_functions()) names.push_back(each.first);
    const std::string nearest = nearest_name(name, names);
    return fmt::format("no function \"{}\"{}", name,
                       nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest));
  }
  if (wanted == num_arguments) return {};
  return fmt::format("{} takes {} arguments, found {}", name, wanted, num_arguments);
}

Result<JsonValue> apply_function(const std::string& name, const JsonValue& value,
                                 std::span<const JsonValue> arguments) {
  Result<JsonValue> result = [&]() -> Result<JsonValue> {
    const auto text = text_functions().find(name);
    if (text == text_functions().end()) return value_functions().at(name).second(value, arguments);
    for (const JsonValue& argument : arguments) {
      if (!argument.is_string()) return expected("a text", argument);
    }
    return map_text(text->second.second, value, arguments);
  }();
  if (result) return result;
  return invalid_input(fmt::format("{}: {}", name, result.error().message()));
}

}  // namespace fathom::eval
