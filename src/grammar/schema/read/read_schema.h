#pragma once
// From JSON to SchemaNodes.
#include <deque>
#include <memory>
#include <unordered_map>

#include "grammar/schema/read/findings.h"
#include "grammar/schema/read/references.h"
#include "grammar/schema/read/schema_node.h"

namespace fathom::grammar::schema {

enum class Draft { k4 = 4, k6 = 6, k7 = 7, k2019 = 2019, k2020 = 2020 };
/// By "$schema"; 2020-12 where that is absent or names none of them.
Draft draft_of(const io::JsonValue& root);

/// Reads a schema and all that it can lead to. Whatever it throws is a SchemaError or a
/// BudgetError.
class SchemaReader {
 public:
  SchemaReader(RegexArena& regexes, const io::JsonValue& root, const SchemaOptions& options,
               Findings& findings);

  NodeId root() const { return NodeId{0}; }
  Draft draft() const { return draft_; }
  const SchemaNode& operator[](NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  /// A schema that `value`, a part of the one that was read, alone satisfies.
  NodeId constant(const io::JsonValue& value);

 private:
  /// One keyword of one schema.
  struct Keyword {
    SchemaNode& node;
    std::string_view name;
    const io::JsonValue& value;
    const io::JsonValue& schema;

    std::string pointer() const { return pointer_to(node.pointer, name); }
  };
  struct Rule;
  static const Rule* find_rule(std::string_view name);

  NodeId node_for(const io::JsonValue& schema, std::string pointer);
  void read(NodeId id, const io::JsonValue& schema);
  void read_keyword(const Keyword& keyword);

  void read_type(const Keyword& keyword);
  void read_enum(const Keyword& keyword);
  void read_const(const Keyword& keyword);
  void read_bound(const Keyword& keyword);
  void read_multiple_of(const Keyword& keyword);
  void read_length(const Keyword& keyword);
  void read_pattern(const Keyword& keyword);
  void read_format(const Keyword& keyword);
  void read_properties(const Keyword& keyword);
  void read_pattern_properties(const Keyword& keyword);
  void read_required(const Keyword& keyword);
  void read_dependencies(const Keyword& keyword);
  void read_items(const Keyword& keyword);
  void read_additional_items(const Keyword& keyword);
  void read_unique_items(const Keyword& keyword);
  void read_reference(const Keyword& keyword);
  void read_schema_keyword(const Keyword& keyword);
  void read_list(const Keyword& keyword);
  void read_unevaluated(const Keyword& keyword);
  void read_annotation(const Keyword& keyword);

  NumberRange& range_for(SchemaNode& node);
  Regex keys_with(const Keyword& keyword, std::string_view pattern);
  std::vector<std::string> names(const Keyword& keyword, const io::JsonValue& list) const;

  RegexArena& regexes_;
  const SchemaOptions options_;
  Findings& findings_;
  const Draft draft_;
  std::unique_ptr<References> references_;
  std::deque<SchemaNode> nodes_;
  std::vector<const io::JsonValue*> to_read_;  // of each node
  std::unordered_map<const io::JsonValue*, NodeId> ids_, constants_;
};

}  // namespace fathom::grammar::schema
