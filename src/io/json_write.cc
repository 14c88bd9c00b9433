// Writing JSON, and the typed getters with their messages.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "io/json.h"
#include "io/json_sax.h"

namespace fathom::io {
namespace {

/// nlohmann's serializer for one scalar: escapes, shortest floats; invalid UTF-8 becomes U+FFFD.
std::string scalar_text(const JsonValue& value) {
  const auto dump = [](const nlohmann::json& scalar) {
    return scalar.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  switch (value.kind()) {
    case JsonKind::kBool:
      return dump(value.as_bool());
    case JsonKind::kInteger:
      return dump(value.as_integer());
    case JsonKind::kNumber:
      FATHOM_CHECK(std::isfinite(value.as_number()), "JSON has no number ", value.as_number());
      return dump(value.as_number());
    case JsonKind::kString:
      return dump(value.as_string());
    default:
      return "null";
  }
}

class Writer {
 public:
  explicit Writer(int indent) : indent_(indent) {}

  void write(const JsonValue& value) {
    if (value.is_array()) {
      write_list('[', ']', value.as_array(), [this](const JsonValue& item) { write(item); });
    } else if (value.is_object()) {
      write_list('{', '}', value.as_object(), [this](const JsonMember& member) {
        text_ += scalar_text(JsonValue(member.first));
        text_ += indent_ > 0 ? ": " : ":";
        write(member.second);
      });
    } else {
      text_ += scalar_text(value);
    }
  }
  std::string take() { return std::move(text_); }

 private:
  template <typename List, typename WriteItem>
  void write_list(char begin, char end, const List& list, WriteItem write_item) {
    text_ += begin;
    ++depth_;
    bool first = true;
    for (const auto& item : list) {
      if (!first) text_ += ',';
      first = false;
      new_line();
      write_item(item);
    }
    --depth_;
    if (!first) new_line();
    text_ += end;
  }
  void new_line() {
    if (indent_ == 0) return;
    text_ += '\n';
    text_.append(static_cast<size_t>(indent_) * static_cast<size_t>(depth_), ' ');
  }

  const int indent_;
  int depth_ = 0;
  std::string text_;
};

template <typename T, typename Test, typename Take>
Result<T> get(const JsonValue& object, std::string_view key, std::string_view where,
              std::string_view expected, Test test, Take take) {
  const JsonValue* value = object.find(key);
  if (value == nullptr) {
    return invalid_input(fmt::format("{}: {}: missing, expected {}", where, key, expected));
  }
  if (!test(*value)) {
    return invalid_input(
        fmt::format("{}: {}: expected {}, found {}", where, key, expected, describe(*value)));
  }
  return take(*value);
}

}  // namespace

std::string write_json(const JsonValue& value, int indent) {
  Writer writer(indent);
  writer.write(value);
  return writer.take();
}

std::string describe(const JsonValue& value) {
  switch (value.kind()) {
    case JsonKind::kBool:
      return value.as_bool() ? "true" : "false";
    case JsonKind::kInteger:
    case JsonKind::kNumber:
      return "the number " + scalar_text(value);
    case JsonKind::kString:
      return fmt::format("a string \"{}\"", sax::excerpt(value.as_string(), 60));
    case JsonKind::kArray:
      return fmt::format("an array of {}", value.as_array().size());
    default:
      return std::string(kind_name(value.kind()));
  }
}

Result<bool> get_bool(const JsonValue& object, std::string_view key, std::string_view where) {
  return get<bool>(
      object, key, where, "true or false", [](const JsonValue& v) { return v.is_bool(); },
      [](const JsonValue& v) { return v.as_bool(); });
}
Result<i64> get_integer(const JsonValue& object, std::string_view key, std::string_view where) {
  return get<i64>(
      object, key, where, "an integer", [](const JsonValue& v) { return v.is_integer(); },
      [](const JsonValue& v) { return v.as_integer(); });
}
Result<double> get_number(const JsonValue& object, std::string_view key, std::string_view where) {
  return get<double>(
      object, key, where, "a number", [](const JsonValue& v) { return v.is_number(); },
      [](const JsonValue& v) { return v.as_number(); });
}
Result<std::string> get_string(const JsonValue& object, std::string_view key,
                               std::string_view where) {
  return get<std::string>(
      object, key, where, "a string", [](const JsonValue& v) { return v.is_string(); },
      [](const JsonValue& v) { return v.as_string(); });
}
Result<const JsonArray*> get_array(const JsonValue& object, std::string_view key,
                                   std::string_view where) {
  return get<const JsonArray*>(
      object, key, where, "an array", [](const JsonValue& v) { return v.is_array(); },
      [](const JsonValue& v) { return &v.as_array(); });
}
Result<const JsonObject*> get_object(const JsonValue& object, std::string_view key,
                                     std::string_view where) {
  return get<const JsonObject*>(
      object, key, where, "an object", [](const JsonValue& v) { return v.is_object(); },
      [](const JsonValue& v) { return &v.as_object(); });
}

}  // namespace fathom::io
