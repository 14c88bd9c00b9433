#include "eval/task/template/functions.h"

#include <fmt/format.h>

#include <vector>

#include "base/text.h"
#include "eval/task/template/function_tables.h"

namespace fathom::eval {

using io::JsonValue;

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
