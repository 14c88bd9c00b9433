#include "grammar/regex/parse_regex.h"

#include <fmt/format.h>

#include <vector>

#include "grammar/regex/anchors.h"
#include "grammar/regex/pattern_parser.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

Result<std::vector<PatternAlternative>> parse(RegexArena& arena, std::string_view pattern,
                                              Spelling spelling) {
  if (pattern.size() > kMaxRegexBytes) {
    return unsupported(
        fmt::format("the pattern has {} bytes; the limit is {}", pattern.size(), kMaxRegexBytes));
  }
  const size_t valid = tokenizer::valid_utf8_prefix_bytes(pattern);
  if (valid < pattern.size()) {
    return invalid_input(fmt::format("byte {} of the pattern is not valid UTF-8", valid));
  }
  return PatternParser(arena, pattern, spelling).parse();
}

/// `resolve` gives the texts of an alternative without its conditions.
template <typename Resolve>
Result<Regex> texts_of(RegexArena& arena, std::string_view pattern, Spelling spelling,
                       Resolve resolve) {
  const auto alternatives = parse(arena, pattern, spelling);
  if (!alternatives) return tl::unexpected<Error>(alternatives.error());
  std::vector<Regex> plain, texts;
  for (const PatternAlternative& alternative : *alternatives) {
    if (alternative.conditions.empty()) {
      plain.push_back(alternative.pattern);
      continue;
    }
    std::vector<Regex> all{resolve(alternative.pattern)};
    for (const auto& [condition, must_be_found] : alternative.conditions) {
      const Regex found = found_in(arena, condition, any_text(arena, spelling));
      all.push_back(must_be_found ? found : arena.complement(found));
    }
    texts.push_back(arena.intersect(std::move(all)));
  }
  texts.push_back(resolve(arena.alternate(std::move(plain))));
  return arena.alternate(std::move(texts));
}

}  // namespace

Result<Regex> texts_with(RegexArena& arena, std::string_view pattern, Spelling spelling) {
  return texts_of(arena, pattern, spelling,
                  [&](Regex regex) { return found_in(arena, regex, any_text(arena, spelling)); });
}

Result<Regex> whole_texts(RegexArena& arena, std::string_view pattern, Spelling spelling) {
  return texts_of(arena, pattern, spelling, [&](Regex regex) { return whole_text(arena, regex); });
}

Result<Regex> parse_regex(RegexArena& arena, std::string_view pattern, Spelling spelling) {
  const auto alternatives = parse(arena, pattern, spelling);
  if (!alternatives) return tl::unexpected<Error>(alternatives.error());
  std::vector<Regex> patterns;
  for (const PatternAlternative& alternative : *alternatives) {
    if (!alternative.conditions.empty()) return unsupported("a look-ahead is not supported here");
    patterns.push_back(alternative.pattern);
  }
  return arena.alternate(std::move(patterns));
}

}  // namespace fathom::grammar
