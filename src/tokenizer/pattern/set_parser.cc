#include "tokenizer/pattern/set_parser.h"

#include <charconv>
#include <optional>
#include <vector>

#include "base/types.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr int kMaxClassDepth = 16;

/// Recursive descent. Functions return false after at_.refuse().
class SetParser {
 public:
  explicit SetParser(PatternCursor& at) : at_(at) {}

  /// One atom that stands for a single character: ".", a class, an escape or a literal.
  bool parse_set(CodePointSet& set) {
    const char c = at_.text[at_.pos];
    if (c == '[') return parse_class(set, 1);
    if (c == '.') {
      ++at_.pos;
      set = CodePointSet::of(U"\n").complement();
      return true;
    }
    if (c == '\\') return parse_escape(set);
    return parse_literal(set);
  }

 private:
  bool parse_literal(CodePointSet& set) {
    const CodePoint character = decode_utf8(at_.text, at_.pos);
    at_.pos += character.num_bytes;
    set = CodePointSet({{character.value, character.value}});
    return true;
  }

  bool parse_escape(CodePointSet& set) {
    if (at_.pos + 1 >= at_.text.size()) return at_.refuse("a backslash at the end");
    const char c = at_.text[at_.pos + 1];
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
    if (is_alphanumeric) return at_.refuse("this escape");
    ++at_.pos;
    return parse_literal(set);
  }

  bool take_shorthand(CodePointSet members, bool negated, CodePointSet& set) {
    at_.pos += 2;
    set = negated ? members.complement() : std::move(members);
    return true;
  }

  bool take_character(char32_t character, CodePointSet& set) {
    at_.pos += 2;
    set = CodePointSet({{character, character}});
    return true;
  }

  /// \p{Name}, \P{Name}, \p{^Name}; at_.pos is at the backslash.
  bool parse_property(bool negated, CodePointSet& set) {
    const size_t close = at_.text.find('}', at_.pos);
    if (at_.pos + 2 >= at_.text.size() || at_.text[at_.pos + 2] != '{' ||
        close == std::string_view::npos) {
      return at_.refuse("a property not written \\p{Name}");
    }
    std::string_view name = at_.text.substr(at_.pos + 3, close - at_.pos - 3);
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    std::optional<CodePointSet> members = find_unicode_property(name);
    if (!members) return at_.refuse("this Unicode property");
    set = negated ? members->complement() : std::move(*members);
    at_.pos = close + 1;
    return true;
  }

  /// \xHH, \x{H...}, \uHHHH; at_.pos is at the backslash.
  bool parse_hex(CodePointSet& set) {
    const bool braced = at_.rest().starts_with("\\x{");
    const size_t first = at_.pos + (braced ? 3 : 2);
    const size_t close =
        braced ? at_.text.find('}', first) : first + (at_.text[at_.pos + 1] == 'u' ? 4 : 2);
    if (close == std::string_view::npos || close > at_.text.size())
      return at_.refuse("this escape");
    u32 value = 0;
    const char* const end = at_.text.data() + close;
    const auto [parsed_to, status] = std::from_chars(at_.text.data() + first, end, value, 16);
    const bool is_scalar = value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
    // \x80 to \xFF are raw bytes to Oniguruma, not characters.
    const bool is_raw_byte = !braced && at_.text[at_.pos + 1] == 'x' && value >= 0x80;
    if (status != std::errc{} || parsed_to != end || !is_scalar || is_raw_byte) {
      return at_.refuse("this escape");
    }
    at_.pos = close + (braced ? 1 : 0);
    set = CodePointSet({{value, value}});
    return true;
  }

  /// [...], with nested classes and &&; at_.pos is at the '['.
  bool parse_class(CodePointSet& set, int depth) {
    const size_t start = at_.pos;
    if (depth > kMaxClassDepth) return at_.refuse("classes nested this deep");
    ++at_.pos;
    const bool negated = at_.rest().starts_with('^');
    if (negated) ++at_.pos;
    if (at_.rest().starts_with(']')) return at_.refuse("a class that begins with ]");
    std::optional<CodePointSet> intersection;  // of the operands of && before the current one
    std::vector<CodePointRange> operand;
    while (true) {
      if (at_.pos >= at_.text.size()) {
        at_.pos = start;
        return at_.refuse("a class without its ]");
      }
      const bool at_end = at_.text[at_.pos] == ']';
      if (at_end || at_.rest().starts_with("&&")) {
        CodePointSet members(std::move(operand));
        intersection = intersection ? intersection->intersect(members) : std::move(members);
        operand.clear();
        at_.pos += at_end ? 1 : 2;
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
    if (at_.text[at_.pos] == '[') {
      if (at_.rest().starts_with("[:")) return at_.refuse("a POSIX bracket");
      if (!parse_class(member, depth + 1)) return false;
      append(member, operand);
      return true;
    }
    if (!parse_class_atom(member)) return false;
    const bool is_range =
        at_.pos + 1 < at_.text.size() && at_.text[at_.pos] == '-' && at_.text[at_.pos + 1] != ']';
    if (is_range) {
      ++at_.pos;
      CodePointSet last;
      if (at_.text[at_.pos] == '[' || !parse_class_atom(last)) return at_.refuse("this range");
      if (!is_single(member) || !is_single(last) || first_of(last) < first_of(member)) {
        return at_.refuse("this range");
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
    return at_.text[at_.pos] == '\\' ? parse_escape(set) : parse_literal(set);
  }

  static bool is_single(const CodePointSet& set) {
    return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
  }
  static char32_t first_of(const CodePointSet& set) { return set.ranges()[0].first; }

  PatternCursor& at_;
};

}  // namespace

bool parse_set(PatternCursor& at, CodePointSet& set) { return SetParser(at).parse_set(set); }

}  // namespace fathom::tokenizer
