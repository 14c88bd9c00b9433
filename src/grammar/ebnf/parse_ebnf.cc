#include "grammar/ebnf/parse_ebnf.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "grammar/ebnf/ebnf_cursor.h"
#include "grammar/ebnf/parse_terminal.h"
#include "grammar/ebnf/resolve_names.h"
#include "grammar/regex/parse_regex.h"
#include "grammar/regex/regex_arena.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

constexpr int kMaxGroupDepth = 200;
using Lines = EbnfCursor::Lines;

bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

/// Recursive descent over llama.cpp's GBNF. Functions return false after stop().
class EbnfParser {
 public:
  explicit EbnfParser(std::string_view text) : at_{text} {}

  bool parse(std::vector<EbnfRule>& rules) {
    at_.skip_space(Lines::kAny);
    while (!at_.at_end()) {
      EbnfRule rule;
      if (!parse_rule(rule)) return false;
      rules.push_back(std::move(rule));
    }
    return true;
  }
  Error take_error() { return std::move(*at_.error); }

 private:
  bool parse_rule(EbnfRule& rule) {
    rule.offset = at_.pos;
    rule.name = take_name();
    if (rule.name.empty()) return at_.expected("the name of a rule");
    at_.skip_space(Lines::kThisOne);
    if (!at_.take("::=")) return at_.expected("::= behind the rule's name");
    at_.skip_space(Lines::kAny);
    if (!parse_choices(rule.choices, Lines::kThisOne)) return false;
    if (!at_.at_end() && at_.peek() != '\n' && at_.peek() != '\r') {
      return at_.expected("a literal, a class, a rule's name, a group or the end of the line");
    }
    at_.skip_space(Lines::kAny);
    return true;
  }

  std::string take_name() {
    const size_t start = at_.pos;
    while (is_word_character(at_.peek())) ++at_.pos;
    return std::string(at_.text.substr(start, at_.pos - start));
  }

  /// `lines`: which white space stands between terms.
  bool parse_choices(EbnfChoices& choices, Lines lines) {
    do {
      at_.skip_space(Lines::kAny);
      EbnfSequence sequence;
      if (!parse_sequence(sequence, lines)) return false;
      choices.push_back(std::move(sequence));
    } while (take_bar());
    return true;
  }

  /// A | that goes on with the rule; it may begin a line.
  bool take_bar() {
    const size_t start = at_.pos;
    at_.skip_space(Lines::kAny);
    if (at_.take("|")) return true;
    at_.pos = start;
    return false;
  }

  bool parse_sequence(EbnfSequence& sequence, Lines lines) {
    while (true) {
      at_.skip_space(lines);
      const char c = at_.peek();
      if (is_quantifier(c)) return at_.expected("something to repeat");
      if (c == '<' || c == '!') {
        return at_.stop(ErrorCode::kUnsupported, "tokens (<name>) are not supported");
      }
      if (c != '"' && c != '[' && c != '.' && c != '(' && !is_word_character(c)) return true;
      EbnfTerm term;
      term.offset = at_.pos;
      if (!parse_term(term) || !parse_quantifiers(term, lines)) return false;
      sequence.push_back(std::move(term));
    }
  }

  bool parse_term(EbnfTerm& term) {
    switch (at_.peek()) {
      case '"':
        return parse_literal(at_, term);
      case '[':
        return parse_class(at_, term);
      case '(':
        return parse_group(term);
      case '.':
        ++at_.pos;
        term.kind = EbnfTerm::Kind::kCharacters;
        term.characters = tokenizer::CodePointSet({{0, 0x10FFFF}});
        return true;
      default:
        term.kind = EbnfTerm::Kind::kReference;
        term.text = take_name();
        return true;
    }
  }

  bool parse_group(EbnfTerm& term) {
    if (++depth_ > kMaxGroupDepth) {
      return at_.stop(ErrorCode::kUnsupported,
                      fmt::format("groups nested deeper than {}", kMaxGroupDepth));
    }
    ++at_.pos;
    term.kind = EbnfTerm::Kind::kGroup;
    if (!parse_choices(term.choices, Lines::kAny)) return false;
    if (!at_.take(")")) return at_.expected("a )");
    --depth_;
    return true;
  }

  static bool is_quantifier(char c) { return c == '*' || c == '+' || c == '?' || c == '{'; }

  // x*? is a repetition of a repetition there, nothing lazy.
  bool parse_quantifiers(EbnfTerm& term, Lines lines) {
    int count = 0;
    while (true) {
      at_.skip_space(lines);
      if (!is_quantifier(at_.peek())) return true;
      if (!term.is_once()) {
        if (++count > kMaxGroupDepth) return at_.expected("fewer repetitions of repetitions");
        EbnfTerm group;
        group.offset = term.offset;
        group.choices.push_back({std::move(term)});
        term = std::move(group);
      }
      if (!parse_quantifier(term, lines)) return false;
    }
  }

  bool parse_quantifier(EbnfTerm& term, Lines lines) {
    if (at_.take("*")) return set_bounds(term, 0, kUnbounded);
    if (at_.take("+")) return set_bounds(term, 1, kUnbounded);
    if (at_.take("?")) return set_bounds(term, 0, 1);
    ++at_.pos;
    at_.skip_space(lines);
    u32 min = 0;
    if (!parse_count(min)) return false;
    u32 max = min;
    at_.skip_space(lines);
    if (at_.take(",")) {
      at_.skip_space(lines);
      max = kUnbounded;
      if (at_.peek() != '}' && !parse_count(max)) return false;
      at_.skip_space(lines);
    }
    if (min > max) return at_.expected("a second count that is not below the first");
    return at_.take("}") ? set_bounds(term, min, max) : at_.expected("a }");
  }

  static bool set_bounds(EbnfTerm& term, u32 min, u32 max) {
    term.min = min;
    term.max = max;
    return true;
  }

  bool parse_count(u32& count) {
    const size_t start = at_.pos;
    u64 value = 0;
    for (; at_.peek() >= '0' && at_.peek() <= '9'; ++at_.pos) {
      value = std::min<u64>(value * 10 + static_cast<u64>(at_.peek() - '0'), kUnbounded);
    }
    if (at_.pos == start) return at_.expected("a count");
    if (value > kMaxRepetitions) {
      at_.pos = start;
      return at_.stop(ErrorCode::kUnsupported,
                      fmt::format("a repetition of more than {} times", kMaxRepetitions));
    }
    count = static_cast<u32>(value);
    return true;
  }

  EbnfCursor at_;
  int depth_ = 0;
};

}  // namespace

Result<std::vector<EbnfRule>> parse_ebnf(std::string_view text) {
  if (text.size() > kMaxEbnfBytes) {
    return unsupported(
        fmt::format("the grammar has {} bytes; the limit is {}", text.size(), kMaxEbnfBytes));
  }
  const size_t valid = tokenizer::valid_utf8_prefix_bytes(text);
  if (valid < text.size()) {
    return invalid_input(fmt::format("{}: not valid UTF-8", place_of(text, valid)));
  }
  EbnfParser parser(text);
  std::vector<EbnfRule> rules;
  if (!parser.parse(rules)) return tl::unexpected<Error>(parser.take_error());
  if (auto resolved = resolve_names(text, rules); !resolved)
    return tl::unexpected<Error>(resolved.error());
  return rules;
}

size_t root_of(const std::vector<EbnfRule>& rules) {
  const auto root = std::find_if(rules.begin(), rules.end(),
                                 [](const EbnfRule& rule) { return rule.name == "root"; });
  return static_cast<size_t>(root - rules.begin());
}

}  // namespace fathom::grammar
