#include "eval/task/template/template.h"

#include <fmt/format.h>

#include <utility>

#include "eval/text/python_json.h"

namespace fathom::eval {

Result<Template> Template::parse(std::string_view text) {
  Template out;
  while (!text.empty()) {
    Piece piece;
    const size_t open = text.find("{{");
    piece.literal = text.substr(0, open);
    if (open == text.npos) {
      out.pieces_.push_back(std::move(piece));
      break;
    }
    const size_t close = text.find("}}", open);
    if (close == text.npos) return invalid_input("{{ without }}");
    Result<Expression> expression = Expression::parse(text.substr(open + 2, close - open - 2));
    if (!expression) return tl::unexpected(expression.error());
    piece.expression.push_back(std::move(*expression));
    out.pieces_.push_back(std::move(piece));
    text.remove_prefix(close + 2);
  }
  return out;
}

Result<std::string> Template::text(const io::JsonValue& document) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    out += piece.literal;
    for (const Expression& expression : piece.expression) {
      const Result<io::JsonValue> value = expression.evaluate(document);
      if (!value) return tl::unexpected(value.error());
      out += python_str(*value);
    }
  }
  return out;
}

Result<io::JsonValue> Template::value(const io::JsonValue& document) const {
  if (pieces_.size() == 1 && pieces_[0].literal.empty() && !pieces_[0].expression.empty()) {
    return pieces_[0].expression[0].evaluate(document);
  }
  Result<std::string> out = text(document);
  if (!out) return tl::unexpected(out.error());
  return io::JsonValue(std::move(*out));
}

Result<std::string> fill_template(const std::string& text, const io::JsonValue& document,
                                  io::JsonObject more) {
  io::JsonObject visible = document.as_object();
  for (auto& [name, value] : more) visible.set(name, std::move(value));
  return value_or_throw(Template::parse(text)).text(io::JsonValue(std::move(visible)));
}

}  // namespace fathom::eval
