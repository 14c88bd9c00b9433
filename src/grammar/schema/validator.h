#pragma once
// One value under a schema: what enum and const ask.
#include "grammar/schema/scalars.h"

namespace fathom::grammar::schema {

enum class Verdict { kInvalid, kValid, kUnknown };  // kUnknown: a keyword that is not supported

class Validator {
 public:
  Validator(RegexArena& regexes, const SchemaReader& schemas, Scalars& scalars)
      : regexes_(regexes), schemas_(schemas), scalars_(scalars) {}

  Verdict check(NodeId id, const io::JsonValue& value);
  /// May all of them hold for it?
  bool may_satisfy(std::span<const Literal> literals, const io::JsonValue& value);

 private:
  struct Tally;
  void check_members(const SchemaNode& node, const io::JsonValue& value, Tally& tally);
  void check_member(const SchemaNode& node, const io::JsonMember& member, Tally& tally);
  void check_items(const SchemaNode& node, const io::JsonValue& value, Tally& tally);
  void check_combinations(const SchemaNode& node, const io::JsonValue& value, Tally& tally);

  RegexArena& regexes_;
  const SchemaReader& schemas_;
  Scalars& scalars_;
  i64 depth_ = 0;
};

}  // namespace fathom::grammar::schema
