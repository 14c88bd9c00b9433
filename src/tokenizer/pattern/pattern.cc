#include "tokenizer/pattern/pattern.h"

#include <fmt/format.h>

#include <charconv>

#include "tokenizer/pattern/set_parser.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr u32 kMaxRepeat = 65535;  // PCRE2's limit

/// Groups, alternatives and quantifiers of one pattern. Functions return false after at_.refuse().
class PatternParser {
 public:
  explicit PatternParser(std::string_view text) : at_{.text = text} {}

  Result<Pattern> parse() {
    while (at_.pos < at_.text.size()) {
      if (!parse_item()) return unsupported(std::move(at_.error));
    }
    return std::move(items_);
  }

 private:
  bool parse_item() {
    switch (at_.text[at_.pos]) {
      case '(':
        return parse_group_start();
      case ')': {
        ++at_.pos;
        PatternItem item{.structure = ")", .set = {}, .repeat = {}};
        return parse_quantifier(item.repeat) && push(std::move(item));
      }
      case '|':
      case '^':
      case '$':
        items_.push_back(
            {.structure = std::string(1, at_.text[at_.pos++]), .set = {}, .repeat = {}});
        return true;
      case '*':
      case '+':
      case '?':
        return at_.refuse("a quantifier with nothing to repeat");
      default:
        break;
    }
    PatternItem item;
    return parse_set(at_, item.set) && parse_quantifier(item.repeat) && push(std::move(item));
  }

  bool push(PatternItem item) {
    items_.push_back(std::move(item));
    return true;
  }

  bool parse_group_start() {
    for (const std::string_view start : {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!"}) {
      if (!at_.rest().starts_with(start)) continue;
      at_.pos += start.size();
      return push({.structure = std::string(start), .set = {}, .repeat = {}});
    }
    if (at_.rest().starts_with("(?")) return at_.refuse("this kind of group");
    ++at_.pos;
    // Nothing refers to captures (backreferences are refused), so a plain group need not capture.
    return push({.structure = "(?:", .set = {}, .repeat = {}});
  }

  bool parse_quantifier(Quantifier& repeat) {
    if (at_.pos >= at_.text.size()) return true;
    bool braced = false;
    switch (at_.text[at_.pos]) {
      case '?':
        repeat = {.min = 0, .max = 1};
        break;
      case '*':
        repeat = {.min = 0, .max = Quantifier::kUnbounded};
        break;
      case '+':
        repeat = {.min = 1, .max = Quantifier::kUnbounded};
        break;
      case '{':
        braced = true;
        if (!parse_braces(repeat)) return at_.refuse("this quantifier");
        break;
      default:
        return true;
    }
    if (!braced) ++at_.pos;
    if (at_.pos >= at_.text.size()) return true;
    const char suffix = at_.text[at_.pos];
    // After braces Oniguruma's Ruby syntax gives + and ? meanings of their own.
    const bool is_suffix = suffix == '?' || suffix == '+' || suffix == '*' || suffix == '{';
    if (is_suffix && (braced || suffix == '*' || suffix == '{')) {
      return at_.refuse("a quantifier after a quantifier");
    }
    if (suffix == '?') repeat.mode = Quantifier::Mode::kLazy;
    if (suffix == '+') repeat.mode = Quantifier::Mode::kPossessive;
    if (is_suffix) ++at_.pos;
    if (at_.pos < at_.text.size() &&
        std::string_view("?+*{").find(at_.text[at_.pos]) != std::string_view::npos && is_suffix) {
      return at_.refuse("a quantifier after a quantifier");
    }
    return true;
  }

  /// {n}, {n,}, {n,m}, {,m}; at_.pos moves behind the brace.
  bool parse_braces(Quantifier& repeat) {
    const size_t close = at_.text.find('}', at_.pos);
    if (close == std::string_view::npos) return false;
    const std::string_view body = at_.text.substr(at_.pos + 1, close - at_.pos - 1);
    const size_t comma = body.find(',');
    const std::string_view min = body.substr(0, comma);
    const std::string_view max = comma == std::string_view::npos ? min : body.substr(comma + 1);
    if (min.empty() && max.empty()) return false;
    repeat.min = 0;
    repeat.max = Quantifier::kUnbounded;
    if (!min.empty() && !parse_count(min, repeat.min)) return false;
    if (!max.empty() && !parse_count(max, repeat.max)) return false;
    at_.pos = close + 1;
    return repeat.min <= repeat.max;
  }

  static bool parse_count(std::string_view digits, u32& count) {
    const char* const end = digits.data() + digits.size();
    const auto [parsed_to, status] = std::from_chars(digits.data(), end, count);
    return status == std::errc{} && parsed_to == end && count <= kMaxRepeat;
  }

  PatternCursor at_;
  Pattern items_;
};

std::string set_text(const CodePointSet& set) {
  if (set.empty()) return "(?!)";  // matches nothing
  const auto ranges = set.ranges();
  const bool is_single = ranges.size() == 1 && ranges[0].first == ranges[0].last;
  if (is_single) return fmt::format("\\x{{{:x}}}", static_cast<u32>(ranges[0].first));
  std::string text = "[";
  for (const CodePointRange& range : ranges) {
    text += fmt::format("\\x{{{:x}}}", static_cast<u32>(range.first));
    if (range.last != range.first) {
      text += fmt::format("-\\x{{{:x}}}", static_cast<u32>(range.last));
    }
  }
  return text + "]";
}

std::string quantifier_text(const Quantifier& repeat) {
  if (repeat == Quantifier{}) return "";
  std::string text = repeat.max == Quantifier::kUnbounded
                         ? fmt::format("{{{},}}", repeat.min)
                         : fmt::format("{{{},{}}}", repeat.min, repeat.max);
  if (repeat.mode == Quantifier::Mode::kLazy) text += '?';
  if (repeat.mode == Quantifier::Mode::kPossessive) text += '+';
  return text;
}

}  // namespace

bool PatternCursor::refuse(std::string_view what) {
  if (error.empty()) {
    error = fmt::format("{} at byte {} (\"{}\") is not supported", what, pos,
                        text.substr(pos, valid_utf8_prefix_bytes(text.substr(pos, 12))));
  }
  return false;
}

Result<Pattern> parse_pattern(std::string_view text) {
  if (text.empty()) return unsupported("an empty pattern is not supported");
  if (text.size() > kMaxPatternBytes) {
    return unsupported(
        fmt::format("the pattern has {} bytes; the limit is {}", text.size(), kMaxPatternBytes));
  }
  return PatternParser(text).parse();
}

Pattern literal_pattern(std::string_view text) {
  Pattern pattern;
  for (size_t pos = 0; pos < text.size();) {
    const CodePoint character = decode_utf8(text, pos);
    pattern.push_back(
        {.structure = "", .set = CodePointSet({{character.value, character.value}}), .repeat = {}});
    pos += character.num_bytes;
  }
  return pattern;
}

std::string pcre2_text(const Pattern& pattern) {
  std::string text;
  for (const PatternItem& item : pattern) {
    text += item.structure.empty() ? set_text(item.set) : item.structure;
    text += quantifier_text(item.repeat);
  }
  return text;
}

}  // namespace fathom::tokenizer
