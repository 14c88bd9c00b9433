#include "eval/task/template/expression.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "base/types.h"
#include "eval/task/template/functions.h"

namespace fathom::eval {

using io::JsonArray;
using io::JsonValue;

/// One step from a value to the next.
struct Expression::Node {
  enum class Kind { kConstant, kList, kMember, kElement, kEach, kFunction };
  Kind kind = Kind::kConstant;
  JsonValue constant;
  std::string name;  // of a member or function
  i64 index = 0;
  std::unique_ptr<Node> of;  // what it is applied to; none: the document
  std::vector<Node> parts;   // of a list; arguments of a function

  Result<JsonValue> evaluate(const JsonValue& document) const;
};

namespace {

using Node = Expression::Node;

Result<JsonValue> member_of(const JsonValue& value, const std::string& name) {
  const JsonValue* const found = value.find(name);
  if (found != nullptr) return *found;
  if (!value.is_object()) {
    return invalid_input(
        fmt::format("{}: expected an object that has it, found {}", name, io::describe(value)));
  }
  std::string members;
  for (const auto& [key, each] : value.as_object()) members += (members.empty() ? "" : ", ") + key;
  return invalid_input(fmt::format("{}: no such member; there are: {}", name, members));
}

Result<JsonValue> element_of(const JsonValue& value, i64 index) {
  if (!value.is_array()) {
    return invalid_input(
        fmt::format("[{}]: expected an array, found {}", index, io::describe(value)));
  }
  const i64 size = std::ssize(value.as_array());
  const i64 at = index < 0 ? index + size : index;
  if (at < 0 || at >= size) {
    return invalid_input(fmt::format("[{}]: the array has {} elements", index, size));
  }
  return value.as_array()[static_cast<size_t>(at)];
}

constexpr int kMaxDepth = 32;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Node> parse_all() {
    std::optional<Node> node = pipeline(0);
    skip_space();
    if (node && at_ < text_.size()) refuse("unexpected text");
    if (!error_.empty()) {
      return invalid_input(fmt::format("expression \"{}\": {}", text_, error_));
    }
    return std::move(*node);
  }

 private:
  std::optional<Node> refuse(std::string_view what) {
    if (error_.empty()) error_ = fmt::format("{} at byte {}", what, at_);
    return std::nullopt;
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '@' || static_cast<u8>(c) >= 0x80;
  }
  std::string name() {
    skip_space();
    const size_t begin = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::optional<Node> pipeline(int depth) {
    if (depth > kMaxDepth) return refuse("nested too deeply");
    std::optional<Node> node = path(depth);
    while (node && take('|')) {
      Node call{.kind = Node::Kind::kFunction};
      call.name = name();
      if (call.name.empty()) return refuse("expected the name of a function");
      if (take('(') && !list(')', depth, call.parts)) return std::nullopt;
      const std::string wrong = check_function(call.name, std::ssize(call.parts));
      if (!wrong.empty()) return refuse(wrong);
      call.of = std::make_unique<Node>(std::move(*node));
      node = std::move(call);
    }
    return node;
  }

  /// Behind the opening bracket.
  bool list(char close, int depth, std::vector<Node>& parts) {
    while (!take(close)) {
      if (!parts.empty() && !take(',')) return refuse("expected a comma").has_value();
      std::optional<Node> part = pipeline(depth + 1);
      if (!part) return false;
      parts.push_back(std::move(*part));
    }
    return true;
  }

  std::optional<Node> path(int depth) {
    std::optional<Node> node = primary(depth);
    while (node && at_ < text_.size() && (text_[at_] == '.' || text_[at_] == '[')) {
      Node step;
      if (take('.')) {
        step.kind = Node::Kind::kMember;
        step.name = name();
        if (step.name.empty()) return refuse("expected a member's name");
      } else {
        ++at_;
        if (take(']')) {
          step.kind = Node::Kind::kEach;
        } else {
          step.kind = Node::Kind::kElement;
          const std::optional<i64> index = integer(name());
          if (!index || !take(']')) return refuse("expected an integer and ]");
          step.index = *index;
        }
      }
      step.of = std::make_unique<Node>(std::move(*node));
      node = std::move(step);
    }
    return node;
  }

  static std::optional<i64> integer(const std::string& text) {
    i64 value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) return {};
    return value;
  }

  std::optional<Node> primary(int depth) {
    skip_space();
    Node node;
    if (take('[')) {
      node.kind = Node::Kind::kList;
      if (!list(']', depth, node.parts)) return std::nullopt;
      return node;
    }
    if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')) {
      const std::optional<std::string> text = quoted();
      if (!text) return refuse("a text does not end");
      node.constant = *text;
      return node;
    }
    const std::string word = name();
    if (word.empty()) return refuse("expected a name, a text, a number or [");
    if (const std::optional<i64> number = integer(word)) {
      node.constant = *number;
      return node;
    }
    node.kind = Node::Kind::kMember;
    node.name = word;
    return node;
  }

  std::optional<std::string> quoted() {
    const char quote = text_[at_++];
    std::string out;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == quote) {
        ++at_;
        return out;
      }
      if (c == '\\' && at_ + 1 < text_.size()) {
        const char next = text_[++at_];
        out += next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : next;
        if (next != 'n' && next != 't' && next != 'r' && next != quote && next != '\\')
          out.insert(out.size() - 1, 1, '\\');
      } else {
        out += c;
      }
    }
    return std::nullopt;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string error_;
};

}  // namespace

Result<JsonValue> Expression::Node::evaluate(const JsonValue& document) const {
  switch (kind) {
    case Kind::kConstant:
      return constant;
    case Kind::kList: {
      JsonArray list;
      for (const Node& part : parts) {
        Result<JsonValue> value = part.evaluate(document);
        if (!value) return value;
        list.push_back(std::move(*value));
      }
      return JsonValue(std::move(list));
    }
    case Kind::kMember:
      if (!of && name == "@item") return document;
      if (!of) return member_of(document, name);
      break;
    case Kind::kElement:
    case Kind::kEach:
    case Kind::kFunction:
      break;
  }
  Result<JsonValue> value = of->evaluate(document);
  if (!value) return value;
  if (kind == Kind::kElement) return element_of(*value, index);
  if (kind == Kind::kEach) {
    if (value->is_array()) return value;
    return invalid_input(fmt::format("[]: expected an array, found {}", io::describe(*value)));
  }
  if (kind == Kind::kMember) {
    if (of->kind != Kind::kEach) return member_of(*value, name);
    JsonArray members;
    for (const JsonValue& each : value->as_array()) {
      Result<JsonValue> member = member_of(each, name);
      if (!member) return member;
      members.push_back(std::move(*member));
    }
    return JsonValue(std::move(members));
  }
  std::vector<JsonValue> arguments;
  for (const Node& part : parts) {
    Result<JsonValue> argument = part.evaluate(document);
    if (!argument) return argument;
    arguments.push_back(std::move(*argument));
  }
  return apply_function(name, *value, arguments);
}

Expression::Expression(std::unique_ptr<const Node> root) : root_(std::move(root)) {}
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

Result<Expression> Expression::parse(std::string_view text) {
  Result<Node> node = Parser(text).parse_all();
  if (!node) return tl::unexpected(node.error());
  return Expression(std::make_unique<const Node>(std::move(*node)));
}

Result<JsonValue> Expression::evaluate(const JsonValue& document) const {
  return root_->evaluate(document);
}

}  // namespace fathom::eval
