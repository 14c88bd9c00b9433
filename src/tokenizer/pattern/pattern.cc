#include "tokenizer/pattern/pattern.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr u32 kMaxRepeat = 65535;  // PCRE2's limit
constexpr int kMaxClassDepth = 16;

/// Recursive descent over one pattern. Functions return false after setting error_.
class PatternParser {
 public:
  explicit PatternParser(std::string_view text) : text_(text) {}

  Result<Pattern> parse() {
    while (pos_ < text_.size()) {
      if (!parse_item()) return unsupported(std::move(error_));
    }
    return std::move(items_);
  }

 private:
  bool parse_item() {
    switch (text_[pos_]) {
      case '(':
        return parse_group_start();
      case ')': {
        ++pos_;
        PatternItem item{.structure = ")", .set = {}, .repeat = {}};
        return parse_quantifier(item.repeat) && push(std::move(item));
      }
      case '|':
      case '^':
      case '$':
        items_.push_back({.structure = std::string(1, text_[pos_++]), .set = {}, .repeat = {}});
        return true;
      case '*':
      case '+':
      case '?':
        return refuse("a quantifier with nothing to repeat");
      default:
        break;
    }
    PatternItem item;
    return parse_set(item.set) && parse_quantifier(item.repeat) && push(std::move(item));
  }

  bool push(PatternItem item) {
    items_.push_back(std::move(item));
    return true;
  }

  bool parse_group_start() {
    for (const std::string_view start : {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!"}) {
      if (!text_.substr(pos_).starts_with(start)) continue;
      pos_ += start.size();
      return push({.structure = std::string(start), .set = {}, .repeat = {}});
    }
    if (text_.substr(pos_).starts_with("(?")) return refuse("this kind of group");
    ++pos_;
    // Nothing refers to captures (backreferences are refused), so a plain group need not capture.
    return push({.structure = "(?:", .set = {}, .repeat = {}});
  }

  /// One atom that stands for a single character: ".", a class, an escape or a literal.
  bool parse_set(CodePointSet& set) {
    const char c = text_[pos_];
    if (c == '[') return parse_class(set, 1);
    if (c == '.') {
      ++pos_;
      set = CodePointSet::of(U"\n").complement();
      return true;
    }
    if (c == '\\') return parse_escape(set);
    return parse_literal(set);
  }

  bool parse_literal(CodePointSet& set) {
    const CodePoint character = decode_utf8(text_, pos_);
    pos_ += character.num_bytes;
    set = CodePointSet({{character.value, character.value}});
    return true;
  }

  bool parse_escape(CodePointSet& set) {
    if (pos_ + 1 >= text_.size()) return refuse("a backslash at the end");
    const char c = text_[pos_ + 1];
    switch (c) {
      case 's':
      case 'S':
        return take_shorthand(code_points_of(kWhiteSpace), c == 'S', set);
      case 'd':
      case 'D': {
        return take_shorthand(code_points_of(mask_of(GeneralCategory::kNd)), c == 'D', set);
      }
      case 'h':
      case 'H': {
        return take_shorthand(CodePointSet({{'0', '9'}, {'a', 'f'}, {'A', 'F'}}), c == 'H', set);
      }
      case 'p':
      case 'P':
        return parse_property(c == 'P', set);
      case 'r':
        return take_character('\r', set);
      case 'n':
        return take_character('\n', set);
      case 't':
        return take_character('\t', set);
      case 'f':
        return take_character('\f', set);
      case 'v':
        return take_character('\v', set);
      case 'a':
        return take_character('\a', set);
      case 'e':
        return take_character(0x1B, set);
      case 'x':
      case 'u':
        return parse_hex(set);
      default:
        break;
    }
    const bool is_alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (is_alphanumeric) return refuse("this escape");
    ++pos_;
    return parse_literal(set);
  }

  bool take_shorthand(CodePointSet members, bool negated, CodePointSet& set) {
    pos_ += 2;
    set = negated ? members.complement() : std::move(members);
    return true;
  }

  bool take_character(char32_t character, CodePointSet& set) {
    pos_ += 2;
    set = CodePointSet({{character, character}});
    return true;
  }

  /// \p{Name}, \P{Name}, \p{^Name}; pos_ is at the backslash.
  bool parse_property(bool negated, CodePointSet& set) {
    const size_t close = text_.find('}', pos_);
    if (pos_ + 2 >= text_.size() || text_[pos_ + 2] != '{' || close == std::string_view::npos) {
      return refuse("a property not written \\p{Name}");
    }
    std::string_view name = text_.substr(pos_ + 3, close - pos_ - 3);
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    std::optional<CodePointSet> members = find_unicode_property(name);
    if (!members) return refuse("this Unicode property");
    set = negated ? members->complement() : std::move(*members);
    pos_ = close + 1;
    return true;
  }

  /// \xHH, \x{H...}, \uHHHH; pos_ is at the backslash.
  bool parse_hex(CodePointSet& set) {
    const bool braced = text_.substr(pos_).starts_with("\\x{");
    const size_t first = pos_ + (braced ? 3 : 2);
    const size_t close = braced ? text_.find('}', first) : first + (text_[pos_ + 1] == 'u' ? 4 : 2);
    if (close == std::string_view::npos || close > text_.size()) return refuse("this escape");
    u32 value = 0;
    const char* const end = text_.data() + close;
    const auto [parsed_to, status] = std::from_chars(text_.data() + first, end, value, 16);
    const bool is_scalar = value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
    // \x80 to \xFF are raw bytes to Oniguruma, not characters.
    const bool is_raw_byte = !braced && text_[pos_ + 1] == 'x' && value >= 0x80;
    if (status != std::errc{} || parsed_to != end || !is_scalar || is_raw_byte) {
      return refuse("this escape");
    }
    pos_ = close + (braced ? 1 : 0);
    set = CodePointSet({{value, value}});
    return true;
  }

  /// [...], with nested classes and &&; pos_ is at the '['.
  bool parse_class(CodePointSet& set, int depth) {
    const size_t start = pos_;
    if (depth > kMaxClassDepth) return refuse("classes nested this deep");
    ++pos_;
    const bool negated = text_.substr(pos_).starts_with('^');
    if (negated) ++pos_;
    if (text_.substr(pos_).starts_with(']')) return refuse("a class that begins with ]");
    std::optional<CodePointSet> intersection;  // of the operands of && before the current one
    std::vector<CodePointRange> operand;
    while (true) {
      if (pos_ >= text_.size()) {
        pos_ = start;
        return refuse("a class without its ]");
      }
      const bool at_end = text_[pos_] == ']';
      if (at_end || text_.substr(pos_).starts_with("&&")) {
        CodePointSet members(std::move(operand));
        intersection = intersection ? intersection->intersect(members) : std::move(members);
        operand.clear();
        pos_ += at_end ? 1 : 2;
        if (at_end) break;
      } else if (!parse_class_member(operand, depth)) {
        return false;
      }
    }
    set = negated ? intersection->complement() : std::move(*intersection);
    return true;
  }

  /// A nested class, a range or a single member is added to `operand`.
  bool parse_class_member(std::vector<CodePointRange>& operand, int depth) {
    CodePointSet member;
    if (text_[pos_] == '[') {
      if (text_.substr(pos_).starts_with("[:")) return refuse("a POSIX bracket");
      if (!parse_class(member, depth + 1)) return false;
      append(member, operand);
      return true;
    }
    if (!parse_class_atom(member)) return false;
    const bool is_range = pos_ + 1 < text_.size() && text_[pos_] == '-' && text_[pos_ + 1] != ']';
    if (is_range) {
      ++pos_;
      CodePointSet last;
      if (text_[pos_] == '[' || !parse_class_atom(last)) return refuse("this range");
      if (!is_single(member) || !is_single(last) || first_of(last) < first_of(member)) {
        return refuse("this range");
      }
      member = CodePointSet({{first_of(member), first_of(last)}});
    }
    append(member, operand);
    return true;
  }

  static void append(const CodePointSet& member, std::vector<CodePointRange>& operand) {
    operand.insert(operand.end(), member.ranges().begin(), member.ranges().end());
  }

  bool parse_class_atom(CodePointSet& set) {
    return text_[pos_] == '\\' ? parse_escape(set) : parse_literal(set);
  }

  static bool is_single(const CodePointSet& set) {
    return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
  }
  static char32_t first_of(const CodePointSet& set) { return set.ranges()[0].first; }

  bool parse_quantifier(Quantifier& repeat) {
    if (pos_ >= text_.size()) return true;
    bool braced = false;
    switch (text_[pos_]) {
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
        if (!parse_braces(repeat)) return refuse("this quantifier");
        break;
      default:
        return true;
    }
    if (!braced) ++pos_;
    if (pos_ >= text_.size()) return true;
    const char suffix = text_[pos_];
    // After braces Oniguruma's Ruby syntax gives + and ? meanings of their own.
    const bool is_suffix = suffix == '?' || suffix == '+' || suffix == '*' || suffix == '{';
    if (is_suffix && (braced || suffix == '*' || suffix == '{')) {
      return refuse("a quantifier after a quantifier");
    }
    if (suffix == '?') repeat.mode = Quantifier::Mode::kLazy;
    if (suffix == '+') repeat.mode = Quantifier::Mode::kPossessive;
    if (is_suffix) ++pos_;
    if (pos_ < text_.size() &&
        std::string_view("?+*{").find(text_[pos_]) != std::string_view::npos && is_suffix) {
      return refuse("a quantifier after a quantifier");
    }
    return true;
  }

  /// {n}, {n,}, {n,m}, {,m}; pos_ moves behind the brace.
  bool parse_braces(Quantifier& repeat) {
    const size_t close = text_.find('}', pos_);
    if (close == std::string_view::npos) return false;
    const std::string_view body = text_.substr(pos_ + 1, close - pos_ - 1);
    const size_t comma = body.find(',');
    const std::string_view min = body.substr(0, comma);
    const std::string_view max = comma == std::string_view::npos ? min : body.substr(comma + 1);
    if (min.empty() && max.empty()) return false;
    repeat.min = 0;
    repeat.max = Quantifier::kUnbounded;
    if (!min.empty() && !parse_count(min, repeat.min)) return false;
    if (!max.empty() && !parse_count(max, repeat.max)) return false;
    pos_ = close + 1;
    return repeat.min <= repeat.max;
  }

  static bool parse_count(std::string_view digits, u32& count) {
    const char* const end = digits.data() + digits.size();
    const auto [parsed_to, status] = std::from_chars(digits.data(), end, count);
    return status == std::errc{} && parsed_to == end && count <= kMaxRepeat;
  }

  bool refuse(std::string_view what) {
    // The innermost reason is the exact one; outer calls must not replace it.
    if (error_.empty()) {
      error_ = fmt::format("{} at byte {} (\"{}\") is not supported", what, pos_,
                           text_.substr(pos_, valid_utf8_prefix_bytes(text_.substr(pos_, 12))));
    }
    return false;
  }

  std::string_view text_;
  size_t pos_ = 0;
  Pattern items_;
  std::string error_;
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
