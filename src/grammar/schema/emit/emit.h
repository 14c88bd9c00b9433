#pragma once
// From records to expressions.
#include "grammar/schema/emit/json_syntax.h"
#include "grammar/schema/emit/list_rest.h"
#include "grammar/schema/emptiness.h"

namespace fathom::grammar::schema {

class Emitter {
 public:
  explicit Emitter(Compilation& compilation)
      : compilation_(compilation),
        rules_(compilation.rules),
        regexes_(compilation.regexes),
        emptiness_(compilation),
        syntax_(compilation.rules) {}

  /// All values for which all of `literals` hold.
  Expr value(const Literals& literals);
  /// If nothing satisfies the root, as far as that can be told: the pointer of a schema to blame,
  /// the deepest there is.
  std::optional<std::string> find_unsatisfied();

 private:
  /// Keys without names of their own that ask the same of their values.
  struct KeyGroup {
    Regex keys;
    std::vector<std::pair<NodeId, u32>> patterns;  // that are found in them: schema and index
  };
  /// What has been made, or is being made, of some literals.
  struct Known {
    std::optional<Expr> expr;
    std::optional<Rule> rule;  // if it was needed before it was made
  };

  Expr compute(const Literals& literals);
  void add_scalars(const Literals& literals, u8 types, std::vector<Expr>& choices);
  Expr exact_value(const io::JsonValue& value);
  Expr exact_list(char open, char close, std::vector<Expr> elements);

  struct Member;
  Expr object(const Record& record);
  Expr members(const std::vector<Member>& named, ListRest& rest, u32 max);
  std::vector<KeyGroup> key_groups(const Record& record, const std::vector<std::string>& names);
  void split(std::vector<KeyGroup>& groups, NodeId source, u32 pattern);
  std::optional<Literals> group_literals(const Record& record, const KeyGroup& group);
  Regex keys_of(const Existence& demand);
  Expr other_member(const Record& record, const std::vector<KeyGroup>& groups,
                    std::span<const Existence> demands);

  Expr array(const Record& record);
  Expr items(const Record& record, u32 prefix, ListRest& rest, bool may_be_short);
  std::optional<Expr> unique_array(const Record& record);

  /// What some element must meet that has no name and no place of its own.
  std::vector<Existence> demands(const Record& record);
  /// See ListRest::Parts::special; `make` makes an element that meets some demands.
  template <typename Make>
  static std::vector<Expr> special(const std::vector<Existence>& demands, Make make) {
    std::vector<Expr> elements;
    for (size_t set = 0; !demands.empty() && set < size_t{1} << demands.size(); ++set) {
      std::vector<Existence> some;
      for (size_t i = 0; i < demands.size(); ++i) {
        if ((set >> i & 1) != 0) some.push_back(demands[i]);
      }
      elements.push_back(make(some));
    }
    return elements;
  }

  Compilation& compilation_;
  RuleArena& rules_;
  RegexArena& regexes_;
  Emptiness emptiness_;
  JsonSyntax syntax_;
  std::unordered_map<Literals, Known, LiteralsHash> known_;
  i64 depth_ = 0;
};

}  // namespace fathom::grammar::schema
