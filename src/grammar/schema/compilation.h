#pragma once
// What all steps of compiling one schema share.
#include "grammar/schema/scalars.h"
#include "grammar/schema/validator.h"

namespace fathom::grammar::schema {

class Compilation {
 public:
  Compilation(RuleArena& arena, const io::JsonValue& root, const SchemaOptions& given)
      : rules(arena),
        regexes(arena.regexes()),
        options(given),
        schemas(regexes, root, given, findings),
        scalars(regexes, schemas, findings, given.strings),
        validator(regexes, schemas, scalars) {}

  RuleArena& rules;
  RegexArena& regexes;
  const SchemaOptions options;
  Findings findings;
  SchemaReader schemas;
  Scalars scalars;
  Validator validator;

  /// The types that values can have under it, or more.
  u8 possible_types(NodeId id);
  /// Counts a step of work. Throws BudgetError after too many of them, or past the rules' deadline.
  void step();

 private:
  u8 compute_possible_types(NodeId id);

  std::unordered_map<NodeId, u8> possible_types_;
  i64 steps_ = 0;
  i64 depth_ = 0;
};

}  // namespace fathom::grammar::schema
