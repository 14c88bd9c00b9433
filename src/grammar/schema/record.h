#pragma once
// What a conjunction of schemas says of arrays, or of objects, once every alternative is chosen.
#include <optional>
#include <string>
#include <vector>

#include "grammar/schema/literal.h"

namespace fathom::grammar::schema {

/// There is a member, or an item, of this kind whose value satisfies `value`.
struct Existence {
  enum class Where {
    kAdditional,  // a key that additionalProperties of `source` speaks of
    kPattern,     // a key that the pattern number `index` of `source` is found in
    kName,        // any key that satisfies `value`
    kItem,        // an item that is not before number `index`
  } where;
  NodeId source{};
  u32 index = 0;
  Literal value;
};

/// If there is that member, its value satisfies `value`.
struct MemberDemand {
  std::string name;
  Literal value;
};
struct ItemDemand {
  u32 index = 0;
  Literal value;
};

/// One way to satisfy something: all of this at once.
struct Demand {
  Literals literals{};
  std::string place{};  // of the literals, see Source
  std::vector<std::string> required{}, forbidden{};
  std::vector<MemberDemand> members{};
  std::vector<ItemDemand> items{};
  Literals every_item{};
  u32 min_size = 0, max_size = kUnbounded;
  std::vector<Existence> existences{};
  std::vector<Existence> unnamed{};  // to be found among keys without names, or late items
};
/// At least one of them.
using Choice = std::vector<Demand>;

/// A schema that speaks of members or of items.
struct Source {
  NodeId schema{};
  /// Where in the text of the schema it is asked for: a path from the root, in whose order the
  /// properties come.
  std::string place;
};

/// The values of one type, kArrayType or kObjectType, for which all of this holds.
struct Record {
  Literals seen;  // all that it comes from
  size_t num_assumed =
      0;  // so many of them are looked at together with what others say, see keep()
  bool has_values = false;
  std::vector<const io::JsonValue*> values;  // of enum or const: then nothing else counts

  std::vector<Source> sources;  // what speaks of members, or of items, in order
  std::vector<std::string> required, forbidden;
  std::vector<MemberDemand> members;
  Literals names;  // what every key satisfies
  std::vector<ItemDemand> items;
  Literals every_item;
  std::optional<NodeId> unique_items;  // what asks for it
  u32 min_size = 0, max_size = kUnbounded;
  std::vector<Existence> existences;
  std::vector<Existence> unnamed;  // those that named members or early items do not satisfy
};

}  // namespace fathom::grammar::schema
