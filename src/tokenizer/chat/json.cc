#include "tokenizer/chat/json.h"

#include <charconv>
#include <cmath>

#include "base/check.h"
#include "base/types.h"
#include "io/text/python_format.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string python_number(std::string_view literal) {
  if (literal.find_first_of(".eE") == std::string_view::npos) {
    return literal == "-0" ? "0" : std::string(literal);  // int("-0") is 0
  }
  // from_chars leaves its argument alone on overflow and underflow; strtod gives inf and 0.
  const double value = std::strtod(std::string(literal).c_str(), nullptr);
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";  // as json.dumps has it
  return io::python_float(value);
}

/// Walks over valid JSON text, token by token.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  /// The next character that is no white space, '\0' at the end; not consumed.
  char peek() {
    while (pos_ < text_.size() && is_space(text_[pos_])) ++pos_;
    return pos_ < text_.size() ? text_[pos_] : '\0';
  }
  void skip() { ++pos_; }
  size_t position() const { return pos_; }
  void seek(size_t position) { pos_ = position; }

  /// At an opening quote: the string's characters.
  std::string string() {
    std::string out;
    for (++pos_; at(pos_) != '"';) {
      if (at(pos_) != '\\') {
        out.push_back(text_[pos_++]);
      } else {
        ++pos_;
        escape(out);
      }
    }
    ++pos_;
    return out;
  }
  /// At a number, true, false or null.
  std::string_view scalar() {
    const size_t begin = pos_;
    while (pos_ < text_.size() && !is_space(text_[pos_]) && text_[pos_] != ',' &&
           text_[pos_] != '}' && text_[pos_] != ']') {
      ++pos_;
    }
    return text_.substr(begin, pos_ - begin);
  }

 private:
  char at(size_t pos) const {
    FATHOM_CHECK(pos < text_.size(), "unterminated string in JSON that was checked before");
    return text_[pos];
  }
  u32 hex4() {
    u32 code = 0;
    FATHOM_CHECK(pos_ + 4 <= text_.size(), "short \\u escape in JSON that was checked before");
    std::from_chars(text_.data() + pos_, text_.data() + pos_ + 4, code, 16);
    pos_ += 4;
    return code;
  }
  void escape(std::string& out) {
    const char c = at(pos_++);
    switch (c) {
      case 'n':
        out.push_back('\n');
        return;
      case 'r':
        out.push_back('\r');
        return;
      case 't':
        out.push_back('\t');
        return;
      case 'b':
        out.push_back('\b');
        return;
      case 'f':
        out.push_back('\f');
        return;
      case 'u':
        break;
      default:
        out.push_back(c);
        return;  // " \ /
    }
    u32 code = hex4();
    if (code >= 0xD800 && code < 0xDC00) {  // the parser let only whole surrogate pairs pass
      pos_ += 2;
      code = 0x10000 + ((code - 0xD800) << 10) + (hex4() - 0xDC00);
    }
    append_utf8(static_cast<char32_t>(code), out);
  }

  std::string_view text_;
  size_t pos_ = 0;
};

/// Copies one value, rewritten; the cursor ends behind it. Iterative: depth is the text's affair.
void append_value(Cursor& cursor, int indent, std::string& out) {
  int depth = 0;
  const auto new_line = [&] {
    if (indent > 0) out += '\n' + std::string(static_cast<size_t>(depth * indent), ' ');
  };
  do {
    const char c = cursor.peek();
    if (c == '"') {
      io::append_python_string(cursor.string(), out);
    } else if (c == '{' || c == '[') {
      out.push_back(c);
      cursor.skip();
      if (const char next = cursor.peek(); next == '}' || next == ']') {
        out.push_back(next);
        cursor.skip();
      } else {
        ++depth;
        new_line();
      }
    } else if (c == '}' || c == ']') {
      --depth;
      new_line();
      out.push_back(c);
      cursor.skip();
    } else if (c == ',') {
      out += indent > 0 ? "," : ", ";
      new_line();
      cursor.skip();
    } else if (c == ':') {
      out += ": ";
      cursor.skip();
    } else {
      FATHOM_CHECK(c != '\0', "unfinished JSON that was checked before");
      const std::string_view scalar = cursor.scalar();
      FATHOM_CHECK(!scalar.empty(), "malformed JSON that was checked before");
      const bool is_number = scalar[0] == '-' || (scalar[0] >= '0' && scalar[0] <= '9');
      out += is_number ? python_number(scalar) : std::string(scalar);
    }
  } while (depth > 0);
}

}  // namespace

std::string python_json(std::string_view valid_json, int indent) {
  std::string out;
  Cursor cursor(valid_json);
  append_value(cursor, indent, out);
  return out;
}

std::vector<PythonMember> python_members(std::string_view valid_json_object) {
  std::vector<PythonMember> members;
  Cursor cursor(valid_json_object);
  FATHOM_CHECK(cursor.peek() == '{', "JSON that was checked to be an object");
  cursor.skip();
  while (cursor.peek() != '}') {
    if (cursor.peek() == ',') cursor.skip();
    cursor.peek();
    PythonMember member;
    member.key = cursor.string();
    FATHOM_CHECK(cursor.peek() == ':', "malformed JSON that was checked before");
    cursor.skip();
    member.is_string = cursor.peek() == '"';
    if (member.is_string) {
      member.value = cursor.string();
    } else {
      append_value(cursor, 0, member.value);
    }
    members.push_back(std::move(member));
  }
  return members;
}

}  // namespace fathom::tokenizer
