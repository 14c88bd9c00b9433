#pragma once
// Internal to tokenizer/: what the readers of a tokenizer.json share.
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "io/json.h"

namespace fathom::tokenizer {

class JsonReader {
 protected:
  /// `where` opens every message.
  explicit JsonReader(std::string where) : where_(std::move(where)) {}

  /// The file breaks its own rules.
  template <typename... Values>
  tl::unexpected<Error> invalid(fmt::format_string<Values...> format, Values&&... values) const {
    return invalid_input(where_ + ": " + fmt::format(format, std::forward<Values>(values)...));
  }
  /// The file is right, but what it asks for is not handled.
  template <typename... Values>
  tl::unexpected<Error> refuse(fmt::format_string<Values...> format, Values&&... values) const {
    return unsupported(where_ + ": " + fmt::format(format, std::forward<Values>(values)...));
  }

  /// The "type" of a part of the file; empty without one.
  static std::string_view type_of(const io::JsonValue& value) {
    const io::JsonValue* const type = value.find("type");
    return type != nullptr && type->is_string() ? std::string_view(type->as_string()) : "";
  }
  /// The same for a message.
  static std::string type_text(const io::JsonValue& value) {
    const io::JsonValue* const type = value.find("type");
    return type == nullptr ? io::describe(value) : io::describe(*type);
  }

  std::string where_;
};

}  // namespace fathom::tokenizer
