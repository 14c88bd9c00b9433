#include "grammar/schema/formats/regex_format.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "grammar/regex/parse_regex.h"

namespace fathom::grammar {
namespace {

constexpr int kMaxDepth = 10;

/// What stands for one character, but for an escaped - or a \b, which only a class has.
constexpr std::string_view kEscape =
    R"(\\(?:[dDwWsStnrfv!-/:-@\[-`{-~]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}))";

/// {m}, {m,} and {m,n} with m <= n.
std::string counts() {
  std::vector<std::string> choices{R"(\d{1,4},?)", R"(\d,[1-9]\d{1,2})", R"([1-9]\d,[1-9]\d{2})"};
  for (int first = 0; first <= 9; ++first) {
    choices.push_back(fmt::format("{0},[{0}-9]", first));
    if (first == 0) continue;
    if (first < 9) choices.push_back(fmt::format(R"({}\d,[{}-9]\d)", first, first + 1));
    for (int second = 0; second <= 9; ++second) {
      choices.push_back(fmt::format("{0}{1},{0}[{1}-9]", first, second));
    }
  }
  return fmt::format(R"(\{{(?:{})\}})", fmt::join(choices, "|"));
}

/// a-z and so on: not from a later character to an earlier one.
std::string ranges() {
  std::vector<std::string> choices;
  for (char32_t first = 0x20; first < 0x7F; ++first) {
    if (first == '\\' || first == ']' || first == '-') continue;
    // To any character that is not before it and no syntax of a class.
    const std::string to = first < '\\' ? fmt::format(R"([\u{:04x}-\[\^-\u{{10ffff}}])", u32{first})
                                        : fmt::format(R"([\u{:04x}-\u{{10ffff}}])", u32{first});
    choices.push_back(fmt::format(R"(\u{:04x}-{})", u32{first}, to));
  }
  return fmt::format("(?:{})", fmt::join(choices, "|"));
}

/// A - stands for itself first or last. [] is left out: it matches nothing.
std::string character_class() {
  const std::string member = fmt::format(R"((?:{}|[^\\\]\-]|{}|\\b))", ranges(), kEscape);
  return fmt::format(R"(\[\^?(?:-|-?{0}+-?)\])", member);
}

}  // namespace

Regex pattern_format(RegexArena& arena, Spelling spelling) {
  const auto parsed = [&](const std::string& pattern) {
    return value_or_throw(parse_regex(arena, pattern, spelling));
  };
  const Regex character =
      parsed(fmt::format(R"((?:[^\\^$*+?()\[\]{{}}|]|{}|{}))", kEscape, character_class()));
  const Regex quantifier = arena.optional(parsed(fmt::format(R"((?:[*+?]|{})\??)", counts())));
  const Regex unrepeated = parsed(R"([\^$|]|\\[bB])");
  const Regex open = parsed(R"(\((?:\?[:=!])?)"), close = parsed(R"(\))");
  Regex pattern = arena.empty();
  for (int depth = 0; depth <= kMaxDepth; ++depth) {
    const Regex group = depth == 0 ? arena.nothing() : arena.concat({open, pattern, close});
    const Regex atom = arena.concat(arena.alternate(character, group), quantifier);
    pattern = arena.star(arena.alternate(atom, unrepeated));
  }
  return pattern;
}

}  // namespace fathom::grammar
