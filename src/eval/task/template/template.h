#pragma once
// Texts of task files with {{expressions}} in them.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "eval/task/template/expression.h"

namespace fathom::eval {

class Template {
 public:
  Template() = default;  // the empty text
  /// kInvalidInput: {{ without }}, or an expression that is none.
  static Result<Template> parse(std::string_view text);

  /// The text, values as Python's str() shows them.
  Result<std::string> text(const io::JsonValue& document) const;
  /// Of "{{expression}}" alone, its value; else the text.
  Result<io::JsonValue> value(const io::JsonValue& document) const;

 private:
  struct Piece {
    std::string literal;
    std::vector<Expression> expression;  // none, or one, which follows the literal
  };
  std::vector<Piece> pieces_;
};

/// The text of a template that a task file's check has parsed already, over `document` with more
/// members.
Result<std::string> fill_template(const std::string& text, const io::JsonValue& document,
                                  io::JsonObject more);

}  // namespace fathom::eval
