#include "grammar/regex/parse_regex.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "grammar/regex/anchors.h"
#include "grammar/regex/parse_character.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

constexpr int kMaxGroupDepth = 200;

/// Recursive descent. Functions return false after at_.reject() or at_.refuse().
class RegexParser {
 public:
  RegexParser(RegexArena& arena, std::string_view pattern, Spelling spelling)
      : arena_(arena), spelling_(spelling), at_{pattern} {}

  Result<Regex> parse() {
    Regex regex{};
    if (parse_choices(regex) && (at_.at_end() || at_.reject("a ) without its ("))) return regex;
    return fail(at_.code, std::move(at_.error));
  }

 private:
  /// Up to the end or to a ) that belongs to the caller.
  bool parse_choices(Regex& regex) {
    std::vector<Regex> choices;
    do {
      Regex choice{};
      if (!parse_sequence(choice)) return false;
      choices.push_back(choice);
    } while (at_.take("|"));
    regex = arena_.alternate(std::move(choices));
    return true;
  }

  bool parse_sequence(Regex& regex) {
    std::vector<Regex> terms;
    while (!at_.at_end() && at_.peek() != '|' && at_.peek() != ')') {
      Regex term{};
      if (!parse_term(term)) return false;
      terms.push_back(term);
    }
    regex = arena_.empty();
    for (size_t i = terms.size(); i-- > 0;) regex = arena_.concat(terms[i], regex);
    return true;
  }

  bool parse_term(Regex& term) {
    const std::optional<Bounds> misplaced = next_quantifier();
    if (misplaced) return at_.reject("a quantifier with nothing to repeat");
    if (at_.take("^")) {
      term = arena_.bytes(ByteSet::of(kStartOfText));
      return true;
    }
    if (at_.take("$")) {
      term = arena_.bytes(ByteSet::of(kEndOfText));
      return true;
    }
    const bool parsed = at_.peek() == '(' ? parse_group(term) : parse_one(term);
    return parsed && parse_quantifier(term);
  }

  bool parse_one(Regex& term) {
    tokenizer::CodePointSet set;
    if (!parse_character(at_, set)) return false;
    term = one_of(arena_, set, spelling_);
    return true;
  }

  bool parse_group(Regex& term) {
    const size_t start = at_.pos;
    if (!skip_group_start()) return false;
    if (++depth_ > kMaxGroupDepth) return at_.refuse("a group nested this deep");
    if (!parse_choices(term)) return false;
    --depth_;
    if (at_.take(")")) return true;
    at_.pos = start;
    return at_.reject("a ( without its )");
  }

  bool skip_group_start() {
    for (const std::string_view look : {"(?=", "(?!", "(?<=", "(?<!"}) {
      if (!at_.rest().starts_with(look)) continue;
      return at_.refuse(look.size() == 3 ? "a look-ahead" : "a look-behind");
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

  struct Bounds {
    u32 min, max;
    size_t num_bytes;
  };

  /// A quantifier at the cursor. A { that begins none stands for itself (Annex B).
  std::optional<Bounds> next_quantifier() const {
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
  std::optional<u32> read_number(size_t& pos) const {
    if (at_.peek(pos) < '0' || at_.peek(pos) > '9') return std::nullopt;
    u32 value = 0;
    for (; at_.peek(pos) >= '0' && at_.peek(pos) <= '9'; ++pos) {
      value = std::min(kMaxRepetitions + 1, value * 10 + static_cast<u32>(at_.peek(pos) - '0'));
    }
    return value;
  }

  bool parse_quantifier(Regex& term) {
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

  RegexArena& arena_;
  Spelling spelling_;
  PatternCursor at_;
  int depth_ = 0;
};

}  // namespace

Result<Regex> parse_regex(RegexArena& arena, std::string_view pattern, Spelling spelling) {
  if (pattern.size() > kMaxRegexBytes) {
    return unsupported(
        fmt::format("the pattern has {} bytes; the limit is {}", pattern.size(), kMaxRegexBytes));
  }
  const size_t valid = tokenizer::valid_utf8_prefix_bytes(pattern);
  if (valid < pattern.size()) {
    return invalid_input(fmt::format("byte {} of the pattern is not valid UTF-8", valid));
  }
  return RegexParser(arena, pattern, spelling).parse();
}

}  // namespace fathom::grammar
