#pragma once
// For this module's tests: the golden tokenizer of tests/golden/tokenizer and its variants.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/json.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer::test_files {

inline std::string read_file(const std::string& name) {
  const std::string path = FATHOM_SOURCE_DIR "/tests/golden/tokenizer/" + name;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::kNotFound, path + " cannot be read");
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

inline io::JsonValue read_golden_json(const std::string& name) {
  return value_or_throw(io::parse_json(read_file(name), name));
}

inline std::vector<io::JsonValue> read_json_lines(const std::string& name) {
  std::istringstream lines(read_file(name));
  std::vector<io::JsonValue> values;
  for (std::string line; std::getline(lines, line);) {
    values.push_back(value_or_throw(io::parse_json(line, name)));
  }
  return values;
}

/// tokenizer.json with the members of a variant of variants.json or wild_variants.json in place of
/// its own; the members of "model" are laid over one by one.
inline std::string variant_json(const std::string& variant) {
  io::JsonValue root = read_golden_json("tokenizer.json");
  io::JsonValue variants = read_golden_json("variants.json");
  if (variants.find(variant) == nullptr) variants = read_golden_json("wild_variants.json");
  for (const auto& [key, value] : variants.find(variant)->as_object()) {
    if (key != "model") {
      root.as_object().set(key, value);
      continue;
    }
    io::JsonValue model = *root.find("model");
    for (const auto& [field, content] : value.as_object()) model.as_object().set(field, content);
    root.as_object().set("model", model);
  }
  return io::write_json(root);
}

inline Tokenizer tokenizer_of(const std::string& json) {
  return value_or_throw(
      Tokenizer::from_spec(value_or_throw(parse_tokenizer_json(json, "test")), "test"));
}

inline Tokenizer golden_tokenizer(const std::string& variant = "v3") {
  return tokenizer_of(variant_json(variant));
}

inline std::vector<i32> ids_of(const io::JsonValue& list) {
  std::vector<i32> ids;
  for (const io::JsonValue& id : list.as_array()) ids.push_back(static_cast<i32>(id.as_integer()));
  return ids;
}

/// The "text" of a case, or the bytes of its "hex".
inline std::string text_of(const io::JsonValue& golden_case) {
  if (const io::JsonValue* text = golden_case.find("text")) return text->as_string();
  const std::string& hex = golden_case.find("hex")->as_string();
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace fathom::tokenizer::test_files
