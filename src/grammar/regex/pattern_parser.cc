#include "grammar/regex/pattern_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "grammar/regex/anchors.h"
#include "grammar/regex/parse_character.h"

namespace fathom::grammar {
namespace {

constexpr int kMaxGroupDepth = 200;
constexpr size_t kMaxRemembered = 64;  // sets of characters; most patterns have few, often

}  // namespace

Result<std::vector<PatternAlternative>> PatternParser::parse() {
  std::vector<PatternAlternative> alternatives;
  bool parsed = true;
  do {
    parsed = parse_alternative(alternatives.emplace_back());
  } while (parsed && at_.take("|"));
  if (parsed && (at_.at_end() || at_.reject("a ) without its ("))) return alternatives;
  return fail(at_.code, std::move(at_.error));
}

// Look-aheads right behind the start are conditions of the whole text: ^(?!a)b is found where ^b is
// and ^a is not.
bool PatternParser::parse_alternative(PatternAlternative& alternative) {
  Regex before = arena_.empty();
  while (at_.take("^")) {
    before = start_of_text();
    if (!parse_conditions(before, alternative)) return false;
  }
  bool is_tempered = false;
  if (before != arena_.empty() && !parse_tempered(alternative, is_tempered)) return false;
  return is_tempered || parse_sequence(before, alternative.pattern);
}

/// As many (?=...) and (?!...) as there are.
bool PatternParser::parse_conditions(Regex before, PatternAlternative& alternative) {
  while (at_.rest().starts_with("(?=") || at_.rest().starts_with("(?!")) {
    const size_t start = at_.pos;
    const bool found = at_.peek(2) == '=';
    at_.pos += 3;
    Regex pattern{};
    if (!parse_choices(pattern)) return false;
    if (!at_.take(")")) {
      at_.pos = start;
      return at_.reject("a ( without its )");
    }
    if (next_quantifier()) return at_.refuse("a repeated look-ahead");
    alternative.conditions.push_back({arena_.concat(before, pattern), found});
  }
  return true;
}

// ((?!a).)*$ behind a ^: the texts of .* in which a is not found.
bool PatternParser::parse_tempered(PatternAlternative& alternative, bool& is_tempered) {
  const PatternCursor start = at_;
  PatternAlternative inside;
  Regex character{};
  if ((at_.take("(?:") || at_.take("(")) && at_.rest().starts_with("(?!")) {
    if (!parse_conditions(arena_.empty(), inside)) return false;
    is_tempered = std::ranges::all_of(inside.conditions, [&](const auto& condition) {
      return !condition.found && !may_be_found_in_nothing(condition.pattern);
    });
    is_tempered = is_tempered && parse_lone_character(character) && at_.take(")") &&
                  next_quantifier() && parse_quantifier(character) && at_.take("$") &&
                  (at_.at_end() || at_.peek() == '|');
  }
  if (!is_tempered) {
    at_ = start;
    return true;
  }
  alternative.pattern = arena_.concat({start_of_text(), character, end_of_text()});
  std::ranges::copy(inside.conditions, std::back_inserter(alternative.conditions));
  return true;
}

// At the end of the text, where no character begins, such a pattern would be found too.
bool PatternParser::may_be_found_in_nothing(Regex pattern) {
  return arena_.nullable(found_in(arena_, pattern, any_text(arena_, spelling_)));
}

bool PatternParser::parse_lone_character(Regex& character) {
  constexpr std::string_view kNoCharacter = "()|^$";
  const bool is_one = !at_.at_end() && !next_quantifier() &&
                      kNoCharacter.find(at_.peek()) == std::string_view::npos;
  return is_one && parse_one(character);
}

/// Up to the end or to a ) that belongs to the caller.
bool PatternParser::parse_choices(Regex& regex) {
  std::vector<Regex> choices;
  do {
    Regex choice{};
    if (!parse_sequence(arena_.empty(), choice)) return false;
    choices.push_back(choice);
  } while (at_.take("|"));
  regex = arena_.alternate(std::move(choices));
  return true;
}

/// What follows `before`.
bool PatternParser::parse_sequence(Regex before, Regex& regex) {
  std::vector<Regex> terms{before};
  while (!at_.at_end() && at_.peek() != '|' && at_.peek() != ')') {
    Regex term{};
    if (!parse_term(term)) return false;
    terms.push_back(term);
  }
  regex = arena_.empty();
  for (size_t i = terms.size(); i-- > 0;) regex = arena_.concat(terms[i], regex);
  return true;
}

bool PatternParser::parse_term(Regex& term) {
  const std::optional<Bounds> misplaced = next_quantifier();
  if (misplaced) return at_.reject("a quantifier with nothing to repeat");
  if (at_.take("^")) {
    term = start_of_text();
    return true;
  }
  if (at_.take("$")) {
    term = end_of_text();
    return true;
  }
  const bool parsed = at_.peek() == '(' ? parse_group(term) : parse_one(term);
  return parsed && parse_quantifier(term);
}

bool PatternParser::parse_one(Regex& term) {
  tokenizer::CodePointSet set;
  if (!parse_character(at_, set)) return false;
  const auto known = std::find_if(characters_.begin(), characters_.end(),
                                  [&](const auto& entry) { return entry.first == set; });
  if (known != characters_.end()) {
    term = known->second;
    return true;
  }
  term = one_of(arena_, set, spelling_);
  if (characters_.size() < kMaxRemembered) characters_.emplace_back(std::move(set), term);
  return true;
}

bool PatternParser::parse_group(Regex& term) {
  const size_t start = at_.pos;
  if (!skip_group_start()) return false;
  if (++depth_ > kMaxGroupDepth) return at_.refuse("a group nested this deep");
  if (!parse_choices(term)) return false;
  --depth_;
  if (at_.take(")")) return true;
  at_.pos = start;
  return at_.reject("a ( without its )");
}

bool PatternParser::skip_group_start() {
  for (const std::string_view look : {"(?=", "(?!", "(?<=", "(?<!"}) {
    if (!at_.rest().starts_with(look)) continue;
    return at_.refuse(look.size() == 3 ? "a look-ahead elsewhere than right behind a leading ^"
                                       : "a look-behind");
  }
  if (at_.rest().starts_with("(?>")) return at_.refuse("an atomic group");
  if (at_.take("(?:")) return true;
  if (at_.rest().starts_with("(?<")) {
    const size_t close = at_.text.find('>', at_.pos);
    if (close == std::string_view::npos || close == at_.pos + 3) {
      return at_.reject("a group whose name is not written (?<name>");
    }
    at_.pos = close + 1;
    return true;
  }
  if (at_.rest().starts_with("(?")) return at_.refuse("a group with flags");
  return at_.take("(");
}

/// A quantifier at the cursor. A { that begins none stands for itself (Annex B).
std::optional<PatternParser::Bounds> PatternParser::next_quantifier() const {
  switch (at_.peek()) {
    case '*':
      return Bounds{0, kUnbounded, 1};
    case '+':
      return Bounds{1, kUnbounded, 1};
    case '?':
      return Bounds{0, 1, 1};
    case '{':
      break;
    default:
      return std::nullopt;
  }
  size_t pos = 1;
  const std::optional<u32> min = read_number(pos);
  if (!min) return std::nullopt;
  std::optional<u32> max = min;
  if (at_.peek(pos) == ',') {
    max = read_number(++pos);
    if (!max) max = kUnbounded;
  }
  if (at_.peek(pos) != '}') return std::nullopt;
  return Bounds{*min, *max, pos + 1};
}

/// Decimal digits at `pos` bytes from the cursor. What is above kMaxRepetitions is just above it.
std::optional<u32> PatternParser::read_number(size_t& pos) const {
  if (at_.peek(pos) < '0' || at_.peek(pos) > '9') return std::nullopt;
  u32 value = 0;
  for (; at_.peek(pos) >= '0' && at_.peek(pos) <= '9'; ++pos) {
    value = std::min(kMaxRepetitions + 1, value * 10 + static_cast<u32>(at_.peek(pos) - '0'));
  }
  return value;
}

bool PatternParser::parse_quantifier(Regex& term) {
  const std::optional<Bounds> bounds = next_quantifier();
  if (!bounds) return true;
  if (bounds->min > kMaxRepetitions ||
      (bounds->max != kUnbounded && bounds->max > kMaxRepetitions)) {
    return at_.refuse(fmt::format("a repetition of more than {} times", kMaxRepetitions));
  }
  if (bounds->min > bounds->max)
    return at_.reject("a repetition whose bounds are in the wrong order");
  term = arena_.repeat(term, bounds->min, bounds->max);
  at_.pos += bounds->num_bytes;
  if (at_.peek() == '+') return at_.refuse("a possessive quantifier");
  at_.take("?");  // lazy
  if (next_quantifier()) return at_.reject("a quantifier with nothing to repeat");
  return true;
}

}  // namespace fathom::grammar
