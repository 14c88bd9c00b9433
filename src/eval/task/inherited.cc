#include "eval/task/inherited.h"

#include <fmt/format.h>

#include <type_traits>
#include <variant>

namespace fathom::eval {
namespace {

void inherit(const FieldList& own, const FieldList& from, const FieldList& unset);

void inherit(const ChoiceValue& own, const ChoiceValue& from, const ChoiceValue& unset) {
  if (own.get() == unset.get()) own.set(from.get());
}

void inherit(const TableValue& own, const TableValue& from, const TableValue& unset) {
  inherit(own.fields(), from.fields(), unset.fields());
}

/// All of them or none.
void inherit(const NamedTablesValue& own, const NamedTablesValue& from, const NamedTablesValue&) {
  if (!own.names().empty()) return;
  for (const std::string& name : from.names()) {
    inherit(own.at(name), from.at(name), own.prototype());
  }
}

template <typename T>
void inherit(T* own, const T* from, const T* unset) {
  if (*own == *unset) *own = *from;
}

/// The three lists are of one struct type, so that their fields stand in one order.
void inherit(const FieldList& own, const FieldList& from, const FieldList& unset) {
  for (size_t i = 0; i < own.fields().size(); ++i) {
    std::visit(
        [&](const auto& value) {
          using Value = std::decay_t<decltype(value)>;
          inherit(value, std::get<Value>(from.fields()[i].value),
                  std::get<Value>(unset.fields()[i].value));
        },
        own.fields()[i].value);
  }
}

}  // namespace

Result<PromptSpec> with_inherited(const std::map<std::string, PromptSpec>& prompts,
                                  const std::string& name) {
  PromptSpec own = prompts.at(name);
  if (own.like.empty()) return own;
  const auto found = prompts.find(own.like);
  if (found == prompts.end() || !found->second.like.empty()) {
    return invalid_input(fmt::format(
        "expected another preset of this file that has no like of its own, found \"{}\"",
        own.like));
  }
  PromptSpec from = found->second, unset;
  inherit(field_list(own), field_list(from), field_list(unset));
  return own;
}

}  // namespace fathom::eval
