#pragma once
// Internal to parse_regex: recursive descent over a pattern.
#include <optional>
#include <utility>
#include <vector>

#include "grammar/regex/anchors.h"
#include "grammar/regex/parse_regex.h"
#include "grammar/regex/pattern_cursor.h"

namespace fathom::grammar {

/// One of the alternatives that a pattern consists of.
struct PatternAlternative {
  struct Condition {
    Regex pattern;
    bool found;  // must the pattern be found in the text, or must it not?
  };

  Regex pattern{};                    // with anchors
  std::vector<Condition> conditions;  // of its look-aheads, if any
};

class PatternParser {
 public:
  PatternParser(RegexArena& arena, std::string_view pattern, Spelling spelling)
      : arena_(arena), spelling_(spelling), at_{pattern} {}

  Result<std::vector<PatternAlternative>> parse();

 private:
  struct Bounds {
    u32 min, max;
    size_t num_bytes;
  };

  // These return false after at_.reject() or at_.refuse().
  bool parse_alternative(PatternAlternative& alternative);
  bool parse_conditions(Regex before, PatternAlternative& alternative);
  bool parse_tempered(PatternAlternative& alternative, bool& is_tempered);
  bool may_be_found_in_nothing(Regex pattern);
  bool parse_lone_character(Regex& character);
  bool parse_choices(Regex& regex);
  bool parse_sequence(Regex before, Regex& regex);
  bool parse_term(Regex& term);
  bool parse_one(Regex& term);
  bool parse_group(Regex& term);
  bool skip_group_start();
  bool parse_quantifier(Regex& term);

  std::optional<Bounds> next_quantifier() const;
  std::optional<u32> read_number(size_t& pos) const;
  Regex start_of_text() { return arena_.bytes(ByteSet::of(kStartOfText)); }
  Regex end_of_text() { return arena_.bytes(ByteSet::of(kEndOfText)); }

  RegexArena& arena_;
  Spelling spelling_;
  PatternCursor at_;
  int depth_ = 0;
  std::vector<std::pair<tokenizer::CodePointSet, Regex>> characters_;  // what one_of() made
};

}  // namespace fathom::grammar
