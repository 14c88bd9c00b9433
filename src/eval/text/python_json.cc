#include "eval/text/python_json.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "base/types.h"
#include "io/text/python_format.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::eval {
namespace {

class JsonWriter {
 public:
  explicit JsonWriter(int indent) : indent_(indent) {}

  void write(const io::JsonValue& value, int depth) {
    switch (value.kind()) {
      case io::JsonKind::kNull:
        text += "null";
        break;
      case io::JsonKind::kBool:
        text += value.as_bool() ? "true" : "false";
        break;
      case io::JsonKind::kInteger:
        text += fmt::format("{}", value.as_integer());
        break;
      case io::JsonKind::kNumber:
        write_number(value.as_number());
        break;
      case io::JsonKind::kString:
        io::append_python_string(value.as_string(), text);
        break;
      case io::JsonKind::kArray: {
        Frame frame(*this, '[', ']', depth);
        for (const io::JsonValue& each : value.as_array()) {
          frame.next();
          write(each, depth + 1);
        }
        break;
      }
      case io::JsonKind::kObject: {
        Frame frame(*this, '{', '}', depth);
        for (const auto& [key, each] : value.as_object()) {
          frame.next();
          io::append_python_string(key, text);
          text += ": ";
          write(each, depth + 1);
        }
        break;
      }
    }
  }

  std::string text;

 private:
  /// A bracket, its members' separators, and the bracket that closes it.
  class Frame {
   public:
    Frame(JsonWriter& writer, char open, char close, int depth)
        : writer_(writer), close_(close), depth_(depth) {
      writer_.text += open;
    }
    ~Frame() {
      if (!empty_) writer_.break_line(depth_);
      writer_.text += close_;
    }
    void next() {
      if (!empty_) writer_.text += writer_.indent_ > 0 ? "," : ", ";
      empty_ = false;
      writer_.break_line(depth_ + 1);
    }

   private:
    JsonWriter& writer_;
    char close_;
    int depth_;
    bool empty_ = true;
  };

  void break_line(int depth) {
    if (indent_ == 0) return;
    text += '\n';
    text.append(static_cast<size_t>(indent_ * depth), ' ');
  }

  void write_number(double value) {
    if (std::isfinite(value)) {
      text += io::python_float(value);
    } else {
      text += std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    }
  }

  int indent_;
};

/// str.isprintable() of one character: neither of the categories Other nor, but for the space, of
/// Separator.
bool is_printable(char32_t character) {
  constexpr auto kUnprintable =
      tokenizer::mask_range(tokenizer::GeneralCategory::kZs, tokenizer::GeneralCategory::kCcSpace);
  if (character == U' ') return true;
  return (tokenizer::UnicodeTable::instance().category(character) & kUnprintable) == 0;
}

void append_escaped(char32_t character, std::string& out) {
  const auto number = static_cast<u32>(character);
  out += number < 0x100     ? fmt::format("\\x{:02x}", number)
         : number < 0x10000 ? fmt::format("\\u{:04x}", number)
                            : fmt::format("\\U{:08x}", number);
}

/// repr(str): in single quotes unless only those stand inside.
std::string python_repr(std::string_view given) {
  std::string storage;
  const std::string_view text = tokenizer::valid_utf8(given, storage);
  const bool doubled = text.find('\'') != text.npos && text.find('"') == text.npos;
  const char quote = doubled ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const tokenizer::CodePoint character = tokenizer::decode_utf8(text, at);
    const std::string_view bytes = text.substr(at, character.num_bytes);
    at += character.num_bytes;
    if (bytes == "\n") {
      out += "\\n";
    } else if (bytes == "\r") {
      out += "\\r";
    } else if (bytes == "\t") {
      out += "\\t";
    } else if (bytes == "\\" || bytes.front() == quote) {
      (out += '\\') += bytes;
    } else if (is_printable(character.value)) {
      out += bytes;
    } else {
      append_escaped(character.value, out);
    }
  }
  return out + quote;
}

std::string repr(const io::JsonValue& value) {
  return value.is_string() ? python_repr(value.as_string()) : python_str(value);
}

}  // namespace

std::string python_json(const io::JsonValue& value, int indent) {
  JsonWriter writer(indent);
  writer.write(value, 0);
  return std::move(writer.text);
}

std::string python_str(const io::JsonValue& value) {
  switch (value.kind()) {
    case io::JsonKind::kNull:
      return "None";
    case io::JsonKind::kBool:
      return value.as_bool() ? "True" : "False";
    case io::JsonKind::kInteger:
      return fmt::format("{}", value.as_integer());
    case io::JsonKind::kNumber:
      return io::python_float(value.as_number());
    case io::JsonKind::kString:
      return value.as_string();
    case io::JsonKind::kArray: {
      std::string text = "[";
      for (const io::JsonValue& each : value.as_array()) {
        text += (text.size() > 1 ? ", " : "") + repr(each);
      }
      return text + "]";
    }
    case io::JsonKind::kObject:
      break;
  }
  std::string text = "{";
  for (const auto& [key, each] : value.as_object()) {
    text += (text.size() > 1 ? ", " : "") + python_repr(key) + ": " + repr(each);
  }
  return text + "}";
}

}  // namespace fathom::eval
