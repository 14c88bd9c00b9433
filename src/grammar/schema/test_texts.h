#pragma once
// Values as texts, for tests that do not care in which order a grammar wants the properties.
#include <algorithm>
#include <string>
#include <vector>

#include "grammar/test_accepts.h"
#include "io/json.h"

namespace fathom::grammar::testing {

/// Texts of `value` with its objects' members in every order, at most `limit`.
inline std::vector<std::string> texts(const io::JsonValue& value, bool spaced,
                                      size_t limit = 3000) {
  const std::string comma = spaced ? " ,\n " : ",";
  std::vector<std::string> all;
  if (value.is_array()) {
    all = {""};
    for (const io::JsonValue& item : value.as_array()) {
      std::vector<std::string> longer;
      const auto items = texts(item, spaced, limit);
      for (const std::string& begin : all) {
        for (const std::string& text : items) {
          if (longer.size() < limit) longer.push_back(begin + (begin.empty() ? "" : comma) + text);
        }
      }
      all = std::move(longer);
    }
    for (std::string& text : all) text = (spaced ? "[ " : "[") + text + (spaced ? "\t]" : "]");
    return all;
  }
  if (!value.is_object()) return {io::write_json(value)};
  std::vector<size_t> order(value.as_object().size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  do {
    std::vector<std::string> begins{""};
    for (const size_t index : order) {
      const auto& [name, member] = *(value.as_object().begin() + static_cast<i64>(index));
      std::vector<std::string> longer;
      for (const std::string& begin : begins) {
        for (const std::string& text : texts(member, spaced, limit)) {
          if (longer.size() >= limit) break;
          longer.push_back(begin + (begin.empty() ? "" : comma) +
                           io::write_json(io::JsonValue(name)) + (spaced ? " : " : ":") + text);
        }
      }
      begins = std::move(longer);
    }
    for (const std::string& text : begins) {
      all.push_back((spaced ? "{ " : "{") + text + (spaced ? "\t}" : "}"));
    }
  } while (std::next_permutation(order.begin(), order.end()) && all.size() < limit);
  return all;
}

inline bool accepts_in_some_order(Walker& walker, const io::JsonValue& value, bool spaced) {
  const auto all = texts(value, spaced);
  return std::any_of(all.begin(), all.end(),
                     [&](const std::string& text) { return walker.accepts(text); });
}

}  // namespace fathom::grammar::testing
