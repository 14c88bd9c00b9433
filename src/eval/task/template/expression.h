#pragma once
// The expressions of task files: values out of a document, and what is made of them.
//
//   question.stem                      a member of a member
//   @item                              the whole document
//   choices[0], choices[-1]            an element
//   question.choices[].text            of every element
//   [option1, option2]   'text'   3    lists, texts, integers
//   label | int | minus(1)             functions, from left to right; of a list, of every element
//
// The functions are those of apply_function() (functions.h).
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/json.h"

namespace fathom::eval {

class Expression {
 public:
  /// kInvalidInput shows the text and what is wrong with it.
  static Result<Expression> parse(std::string_view text);

  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  /// Of `document`, an object. kInvalidInput names what it lacks: "question.stem: no such member".
  Result<io::JsonValue> evaluate(const io::JsonValue& document) const;

  struct Node;

 private:
  explicit Expression(std::unique_ptr<const Node> root);
  std::unique_ptr<const Node> root_;
};

}  // namespace fathom::eval
