#pragma once
// Config files with one thing changed, and what is said of them.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/model/model_config.h"
#include "io/json.h"

namespace fathom {

inline std::string preset_path(const std::string& name) {
  return std::string(FATHOM_SOURCE_DIR) + "/configs/models/" + name + ".json";
}

inline ModelConfig preset(const std::string& name) {
  return value_or_throw(load_model_config(preset_path(name)));
}

/// A preset with some top-level keys replaced; a null std::optional removes the key.
inline std::string edited(
    const std::string& name,
    const std::vector<std::pair<std::string, std::optional<io::JsonValue>>>& edits) {
  io::JsonValue json = value_or_throw(io::read_json(preset_path(name)));
  for (const auto& [key, value] : edits) {
    if (value) {
      json.as_object().set(key, *value);
    } else {
      json.as_object().erase(key);
    }
  }
  return io::write_json(json);
}

inline std::string error_of(const std::string& text) {
  const auto config = parse_model_config(text);
  return config ? "no error" : config.error().message();
}
inline std::string error_of(
    const std::string& name,
    const std::vector<std::pair<std::string, std::optional<io::JsonValue>>>& edits) {
  return error_of(edited(name, edits));
}

inline io::JsonValue json_of(const char* text) {
  return value_or_throw(io::parse_json(text, "test"));
}

}  // namespace fathom
