#pragma once
// Strings and numbers under a schema: regular languages, closed under all that schemas do to them.
#include <unordered_map>

#include "grammar/regex/characters.h"
#include "grammar/schema/literal.h"
#include "grammar/schema/read/read_schema.h"

namespace fathom::grammar::schema {

/// How the strings of enum and const are written.
enum class Values { kShortest, kAllSpellings };

/// The texts of some values: of numbers, or what stands between the quotes of strings.
struct Language {
  Regex regex;
  /// If not it has more texts than it should, and has no complement.
  bool exact = true;
};

/// `type` is kNumberType or kStringType throughout.
class Scalars {
 public:
  /// `spelling`: of strings, but for keys.
  Scalars(RegexArena& regexes, const SchemaReader& schemas, Findings& findings, Spelling spelling)
      : regexes_(regexes), schemas_(schemas), findings_(findings), spelling_(spelling) {}

  /// The texts of that type for which all of `literals` hold.
  Regex texts(std::span<const Literal> literals, Types type);
  /// What the keywords of `node` itself say, but for enum and const.
  Language own(const SchemaNode& node, Types type);
  /// The texts of all numbers, or of all strings.
  Regex any(Types type);
  /// A string, in every spelling.
  Regex spelled(const std::string& text);
  /// Does the value, a number or a string, satisfy what own() says?
  bool own_holds(const SchemaNode& node, const io::JsonValue& value);

 private:
  Language of(NodeId id, Types type, Values values);
  Language compute(const SchemaNode& node, Types type, Values values);
  Language one_of(const SchemaNode& node, Types type, Values values);
  Language conditional(const SchemaNode& node, Types type, Values values);
  Language numbers(const SchemaNode& node);
  Language strings(const SchemaNode& node);
  Regex listed(const SchemaNode& node, Types type, Values values);
  /// All of that type but those of `id`; all of it, reported at that keyword, if that is inexact.
  Language without(NodeId id, Types type, const SchemaNode& origin, std::string_view keyword);
  Regex any_character();
  /// Of what a complement is taken.
  Regex all_but(Types type, Regex excluded);
  Language both(Language a, Language b) {
    return {regexes_.intersect(a.regex, b.regex), a.exact && b.exact};
  }
  Language either(Language a, Language b) {
    return {regexes_.alternate(a.regex, b.regex), a.exact && b.exact};
  }

  RegexArena& regexes_;
  const SchemaReader& schemas_;
  Findings& findings_;
  Spelling spelling_;
  std::unordered_map<u64, Language> known_;
  std::unordered_map<u64, Language> own_;
  std::unordered_map<std::string, Regex> spelled_, formats_;
  std::unordered_map<char32_t, Regex> spelled_characters_;
  i64 depth_ = 0;
  std::optional<Regex> any_number_, any_string_, any_character_;
};

}  // namespace fathom::grammar::schema
