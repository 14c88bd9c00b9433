#pragma once
// Inside of parse: an object's members by a table of keys, so that no key goes unlooked at.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "io/json.h"

namespace fathom::tokenizer {

/// What a reader does with a member. `place` names it in messages: "m.json: tools".
template <typename Reader>
struct MemberKey {
  std::string_view name;
  Result<void> (Reader::*read)(const io::JsonValue& value, const std::string& place);
};

/// Null, "", [] and {}: such a member says nothing, whatever it is called.
inline bool says_nothing(const io::JsonValue& value) {
  return value.is_null() || (value.is_string() && value.as_string().empty()) ||
         (value.is_array() && value.as_array().empty()) ||
         (value.is_object() && value.as_object().empty());
}

inline tl::unexpected<Error> wrong(const std::string& place, std::string_view expected,
                                   const io::JsonValue& found) {
  return invalid_input(
      fmt::format("{}: expected {}, found {}", place, expected, io::describe(found)));
}

inline Result<void> read_bool(const io::JsonValue& value, const std::string& place,
                              std::optional<bool>& out) {
  if (!value.is_bool()) return wrong(place, "true or false", value);
  out = value.as_bool();
  return {};
}

/// Gives each member that is not null to its key's reader. One without a key is refused by name
/// unless it says nothing; with `unknown` its name goes there instead. `prefix` stands before the
/// name in messages: "m.json: messages[0].".
template <typename Reader, size_t N>
Result<void> read_members(Reader& reader, const std::array<MemberKey<Reader>, N>& keys,
                          const io::JsonObject& object, const std::string& prefix,
                          std::vector<std::string>* unknown = nullptr) {
  for (const auto& [name, value] : object) {
    const auto key = std::find_if(keys.begin(), keys.end(),
                                  [&name = name](const auto& k) { return k.name == name; });
    if (key == keys.end()) {
      if (says_nothing(value)) continue;
      if (unknown != nullptr) {
        unknown->push_back(prefix + name);
        continue;
      }
      std::array<std::string_view, N> names;
      for (size_t i = 0; i < N; ++i) names[i] = keys[i].name;
      const std::string nearest = nearest_name(name, names);
      return unsupported(fmt::format("{}{}: not a key that has a meaning here{}", prefix,
                                     printable(std::string_view(name).substr(0, 80)),
                                     nearest.empty() ? "" : " (\"" + nearest + "\"?)"));
    }
    if (value.is_null()) continue;
    auto done = (reader.*key->read)(value, prefix + name);
    if (!done) return done;
  }
  return {};
}

}  // namespace fathom::tokenizer
