#pragma once
// Questions and examples as texts. Internal to task/.
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "eval/task/items.h"
#include "eval/task/template/template.h"

namespace fathom::eval {

class PromptMaker {
 public:
  /// `spec` has passed its check.
  PromptMaker(OutputKind output, const PromptSpec& spec);

  /// Errors begin with the document's place and the field.
  Result<Item> make(const Document& document, std::span<const Document* const> shots) const;

 private:
  /// A document as an example: question, answer and the delimiter behind it.
  Result<std::string> shot(const Document& document) const;
  Result<std::vector<std::string>> texts_of(const Template& list, const Document& document,
                                            std::string_view field) const;
  Result<i64> gold_of(const Document& document, const std::vector<std::string>& choices) const;
  Result<void> fill_options(const Document& document, const std::string& before, Item& item) const;

  OutputKind output_;
  const PromptSpec& spec_;
  Template description_, text_, contexts_, choices_, gold_, target_, shot_text_, shot_target_;
  Template item_stop_;
};

}  // namespace fathom::eval
