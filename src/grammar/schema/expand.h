#pragma once
// From a conjunction of schemas to records: alternatives are multiplied out.
#include "grammar/schema/members.h"

namespace fathom::grammar::schema {

class Emptiness;

class Expander {
 public:
  /// `type` is kArrayType or kObjectType.
  Expander(Compilation& compilation, Emptiness& emptiness, Types type)
      : compilation_(compilation), emptiness_(emptiness), type_(type) {}

  /// Records of which at least one holds for each value of that type that satisfies `literals`, and
  /// for no other, unless a finding says so. Throws BudgetError if they are too many.
  std::vector<Record> records(const Literals& literals);
  /// The same without what is negated: records of which one holds for all those values, and more.
  /// Nothing if they are more than a few.
  std::optional<std::vector<Record>> rough_records(const Literals& literals);

 private:
  /// A literal, and where it comes from: see Source.
  struct Placed {
    Literal literal;
    std::string place{};
  };
  /// A record in the making.
  struct State {
    Record record;
    std::vector<Placed> to_apply;  // the last first
    std::vector<Choice> choices;   // the first first
    Literals negated;
  };

  static State start(const Literals& literals);
  void expand(State state);
  bool apply_all(State& state);
  bool apply(State& state, const Placed& placed);
  void apply_keywords(State& state, const SchemaNode& node, const Placed& placed);
  bool apply_values(State& state, const SchemaNode& node);
  void apply_members(State& state, const SchemaNode& node, const Placed& placed);
  void apply_items(State& state, const SchemaNode& node, const Placed& placed);
  void apply_dependencies(State& state, const SchemaNode& node, const std::string& place);
  void add_any_of(State& state, const SchemaNode& node, const Placed& placed);
  void add_one_of(State& state, const SchemaNode& node, const Placed& placed);
  void add_conditional(State& state, const SchemaNode& node, const Placed& placed);
  void add_alternatives(State& state, Choice choice);
  void add_choice(State& state, Choice choice);
  Choice take_choice(State& state);
  bool settle(State& state);
  bool apply_demand(State& state, const Demand& demand);
  bool apply_next_negated(State& state);
  const SchemaNode& referred(NodeId id) const;
  bool has_another_value(const Record& record, NodeId other) const;
  bool excludes(const State& state, const Literal& negated);
  void add_next_existence(State& state);
  bool may_be_unnamed(const Record& record) const;
  bool fits(const Record& record, const io::JsonValue& value);
  bool concerns(const Existence& existence, const std::string& name);
  void keep(Record record);

  std::optional<Choice> negation(const Literal& literal);
  void negate_members(const Literal& literal, const SchemaNode& node, Choice& choice);
  void negate_items(const Literal& literal, const SchemaNode& node, Choice& choice);
  void negate_values(const Literal& literal, const SchemaNode& node, Choice& choice);
  void negate_combinations(const Literal& literal, const SchemaNode& node, Choice& choice);
  void weaken(const Literal& literal, std::string_view why);

  Compilation& compilation_;
  Emptiness& emptiness_;
  const Types type_;
  bool rough_ = false;
  bool too_many_ = false;
  i64 depth_ = 0;
  std::vector<Record> found_;
};

}  // namespace fathom::grammar::schema
