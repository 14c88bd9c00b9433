#include "eval/text/python_json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <string_view>

#include "base/types.h"

namespace fathom::eval {
namespace {

/// Digits and decimal exponent of a positive finite number: 0.DIGITS times ten to the exponent.
struct Decimal {
  std::string digits;
  int exponent = 0;
};

Decimal shortest_decimal(double value) {
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  const size_t e = text.find('e');
  Decimal decimal;
  for (const char c : text.substr(0, e)) {
    if (c != '.') decimal.digits += c;
  }
  const char* first = text.data() + e + 1;
  if (*first == '+') ++first;
  std::from_chars(first, text.data() + text.size(), decimal.exponent);
  ++decimal.exponent;
  return decimal;
}

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\b':
        out += "\\b";
        break;
      default:
        if (static_cast<u8>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<int>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

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
        append_json_string(value.as_string(), text);
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
          append_json_string(key, text);
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
      text += python_float(value);
    } else {
      text += std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    }
  }

  int indent_;
};

/// repr(str): in single quotes unless only those stand inside.
std::string python_repr(const std::string& text) {
  const bool doubled = text.find('\'') != text.npos && text.find('"') == text.npos;
  const char quote = doubled ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        if (c == quote) {
          out += fmt::format("\\{}", c);
        } else if (static_cast<u8>(c) < 0x20 || c == 0x7f) {
          out += fmt::format("\\x{:02x}", static_cast<int>(c));
        } else {
          out += c;
        }
    }
  }
  return out + quote;
}

std::string repr(const io::JsonValue& value) {
  return value.is_string() ? python_repr(value.as_string()) : python_str(value);
}

}  // namespace

std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const std::string sign = std::signbit(value) ? "-" : "";
  if (value == 0) return sign + "0.0";
  const Decimal decimal = shortest_decimal(std::abs(value));
  const int count = static_cast<int>(decimal.digits.size());
  if (decimal.exponent < -3 || decimal.exponent > 16) {
    std::string text = sign + decimal.digits.substr(0, 1);
    if (count > 1) text += "." + decimal.digits.substr(1);
    return text + fmt::format("e{}{:02d}", decimal.exponent > 0 ? '+' : '-',
                              std::abs(decimal.exponent - 1));
  }
  if (decimal.exponent <= 0) {
    return sign + "0." + std::string(static_cast<size_t>(-decimal.exponent), '0') + decimal.digits;
  }
  const auto whole = static_cast<size_t>(decimal.exponent);
  if (decimal.exponent >= count) {
    return sign + decimal.digits + std::string(whole - decimal.digits.size(), '0') + ".0";
  }
  return sign + decimal.digits.substr(0, whole) + "." + decimal.digits.substr(whole);
}

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
      return python_float(value.as_number());
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
