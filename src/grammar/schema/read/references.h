#pragma once
// What $ref refers to.
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/json.h"

namespace fathom::grammar::schema {

/// `reference`, a URI or a relative one, seen from `base`. Source: RFC 3986 §5.2, without the
/// removal of dot segments.
std::string resolve_uri(std::string_view base, std::string_view reference);

/// Finds schemas inside one document by JSON pointer, $id and $anchor.
class References {
 public:
  struct Target {
    const io::JsonValue* schema = nullptr;
    std::string pointer;  // from the root of the document
  };

  /// `id_keyword`: "$id", or "id" up to draft 4.
  References(const io::JsonValue& root, std::string_view id_keyword);

  /// What `reference` inside the schema `from` means. None if it leads out of the document;
  /// a target without schema if it leads to nothing in it.
  std::optional<Target> find(const io::JsonValue& from, std::string_view reference) const;

 private:
  void scan(const io::JsonValue& value, u32 base, const std::string& pointer);
  u32 enter(const io::JsonValue& schema, u32 base, const std::string& pointer);

  std::string_view id_keyword_;
  std::vector<std::string> bases_{""};
  std::unordered_map<const io::JsonValue*, u32> base_of_;  // of values whose base is not the first
  std::unordered_map<std::string, Target> by_uri_;         // with "#anchor" or without
};

}  // namespace fathom::grammar::schema
