#pragma once
// A JSON Schema once it has been read: what each of its schemas says, keyword by keyword.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/regex/regex_arena.h"
#include "grammar/schema/numbers/number.h"
#include "io/json.h"

namespace fathom::grammar::schema {

enum class NodeId : u32 {};

/// A set of the types of JSON Schema; integers are numbers with a constraint.
enum Types : u8 {
  kNoType = 0,
  kNullType = 1,
  kBooleanType = 2,
  kNumberType = 4,
  kStringType = 8,
  kArrayType = 16,
  kObjectType = 32,
  kAllTypes = 63,
};
Types type_of(const io::JsonValue& value);

struct NamedSchema {
  std::string name;
  NodeId schema;
};

/// Of patternProperties.
struct PatternSchema {
  Regex keys;  // what stands between the quotes of the keys that the pattern is found in
  NodeId schema;
};

/// What must be there, or hold, if an object has the key `name`.
struct DependentRequired {
  std::string name;
  std::vector<std::string> required;
};

/// One schema. Absent keywords have the values that constrain nothing.
struct SchemaNode {
  std::string pointer;                     // "" for the root
  std::vector<std::string_view> keywords;  // in the order of the text
  std::optional<bool> boolean;             // the schema is true or false

  u8 types = kAllTypes;
  bool has_values = false;  // enum or const
  std::vector<const io::JsonValue*> values;

  std::optional<NumberRange> number;

  u32 min_length = 0, max_length = kUnbounded;
  std::optional<Regex> pattern;       // what stands between the quotes
  std::optional<std::string> format;  // one that is enforced

  std::vector<NamedSchema> properties;  // in the schema's order
  std::vector<u32> properties_by_name;  // indices of properties, sorted
  std::vector<PatternSchema> pattern_properties;
  std::optional<NodeId> additional_properties, property_names;
  std::vector<std::string> required;
  u32 min_properties = 0, max_properties = kUnbounded;
  std::vector<DependentRequired> dependent_required;
  std::vector<NamedSchema> dependent_schemas;

  std::vector<NodeId> prefix_items;
  std::optional<NodeId> items;  // those after prefix_items
  u32 min_items = 0, max_items = kUnbounded;
  std::optional<NodeId> contains;
  u32 min_contains = 1, max_contains = kUnbounded;
  bool unique_items = false;

  std::optional<NodeId> reference;
  std::vector<NodeId> all_of, any_of, one_of;
  std::optional<NodeId> negation;                          // not
  std::optional<NodeId> condition, consequent, otherwise;  // if, then, else

  /// Keywords that no expression stands for, such as unevaluatedItems.
  std::vector<std::string> unsupported;

  std::optional<NodeId> property(std::string_view name) const;
  bool speaks_of_members() const;
  bool speaks_of_items() const;
  /// Is every value of `type` valid, whatever its content? Looks at this schema alone, not at what
  /// it refers to: false then.
  bool allows_all(Types type) const;
};

/// How many schemas may refer to each other, one to the next, on the way to what a value has to be.
inline constexpr i64 kMaxReferences = 500;

/// Is every value valid? As SchemaNode::allows_all().
bool allows_everything(const SchemaNode& node);

/// The JSON pointer to a member or an item of what `pointer` points to.
std::string pointer_to(std::string_view schema_pointer, std::string_view name);
std::string pointer_to(std::string_view pointer, size_t index);

}  // namespace fathom::grammar::schema
