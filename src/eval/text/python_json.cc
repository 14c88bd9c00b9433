#include "eval/text/python_json.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "base/types.h"
#include "io/text/python_format.h"

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
