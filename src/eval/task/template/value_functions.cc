// Functions of lists, objects and any value.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "eval/task/template/function_tables.h"
#include "eval/text/python_json.h"
#include "eval/text/python_text.h"
#include "eval/text/sha256.h"

namespace fathom::eval {
namespace {

using io::JsonArray;
using io::JsonValue;

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

Result<JsonValue> from_json(const JsonValue& value) {
  if (!value.is_string()) return expected("a text", value);
  return io::parse_json(value.as_string(), "its text");
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

Result<JsonValue> to_integer(const JsonValue& value, Arguments args) {
  if (value.is_bool()) return JsonValue(value.as_bool() ? i64{1} : i64{0});
  return value.is_integer() ? Result<JsonValue>(value) : map_text(integer_of, value, args);
}

Result<JsonValue> size_of(const JsonValue& value, Arguments) {
  if (!value.is_array()) return expected("a list", value);
  return JsonValue(std::ssize(value.as_array()));
}

}  // namespace

const std::map<std::string, std::pair<i64, ValueFunction>, std::less<>>& value_functions() {
  using V = const JsonValue&;
  using A = Arguments;
  static const std::map<std::string, std::pair<i64, ValueFunction>, std::less<>> functions = {
      {"int", {0, to_integer}},
      {"text", {0, [](V v, A) { return text_value(python_str(v)); }}},
      {"size", {0, size_of}},
      {"from_json", {0, [](V v, A) { return from_json(v); }}},
      {"to_json", {0, [](V v, A) { return text_value(python_json(v)); }}},
      {"pairs", {0, [](V v, A) { return pairs_of(v); }}},
      {"values", {0, [](V v, A) { return values_of(v); }}},
      {"lettered", {1, [](V v, A a) { return lettered(v, a[0]); }}},
      {"member_or",
       {2,
        [](V v, A a) {
          const auto found = member_named(v, a[0]);
          return found || !a[0].is_string() ? found : Result<JsonValue>(a[1]);
        }}},
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

}  // namespace fathom::eval
