#include "eval/task/prompt_maker.h"

#include <fmt/format.h>

#include "eval/text/python_json.h"

namespace fathom::eval {
namespace {

Template parsed(const std::string& text) { return value_or_throw(Template::parse(text)); }

tl::unexpected<Error> wrong(const Document& document, std::string_view field,
                            std::string_view message) {
  return invalid_input(fmt::format("{}: {}: {}", document.place, field, message));
}

}  // namespace

PromptMaker::PromptMaker(OutputKind output, const PromptSpec& spec)
    : output_(output),
      spec_(spec),
      description_(parsed(spec.description)),
      text_(parsed(spec.text)),
      contexts_(parsed(spec.contexts)),
      choices_(parsed(spec.choices)),
      gold_(parsed(spec.gold)),
      target_(parsed(spec.target)),
      shot_text_(parsed(spec.shot_text.empty() ? spec.text : spec.shot_text)),
      shot_target_(parsed(spec.shot_target)),
      item_stop_(parsed(spec.item_stop)) {}

Result<std::vector<std::string>> PromptMaker::texts_of(const Template& list,
                                                       const Document& document,
                                                       std::string_view field) const {
  const Result<io::JsonValue> value = list.value(document.visible);
  if (!value) return wrong(document, field, value.error().message());
  if (!value->is_array() || value->as_array().empty()) {
    return wrong(document, field, "expected a list of texts, found " + io::describe(*value));
  }
  std::vector<std::string> texts;
  for (const io::JsonValue& each : value->as_array()) {
    if (!each.is_string() && !each.is_number()) {
      return wrong(document, field, "expected texts, found " + io::describe(each));
    }
    texts.push_back(python_str(each));
  }
  return texts;
}

Result<i64> PromptMaker::gold_of(const Document& document,
                                 const std::vector<std::string>& choices) const {
  const Result<io::JsonValue> value = gold_.value(document.visible);
  if (!value) return wrong(document, "gold", value.error().message());
  const i64 count = std::ssize(choices);
  if (value->is_integer() && value->as_integer() >= 0 && value->as_integer() < count) {
    return value->as_integer();
  }
  if (value->is_string()) {
    for (i64 i = 0; i < count; ++i) {
      if (choices[static_cast<size_t>(i)] == value->as_string()) return i;
    }
  }
  return wrong(document, "gold",
               fmt::format("expected an index below {} or one of the options, found {}", count,
                           io::describe(*value)));
}

Result<std::string> PromptMaker::shot(const Document& document) const {
  Result<std::string> question = shot_text_.text(document.visible);
  if (!question) return wrong(document, "text", question.error().message());
  std::string answer;
  const bool several_contexts = !spec_.contexts.empty();
  if (several_contexts) {
    const auto contexts = texts_of(contexts_, document, "contexts");
    if (!contexts) return tl::unexpected(contexts.error());
    const Result<i64> gold = gold_of(document, *contexts);
    if (!gold) return tl::unexpected(gold.error());
    question = (*contexts)[static_cast<size_t>(*gold)];
  }
  if (!spec_.shot_target.empty() || several_contexts || output_ != OutputKind::kMultipleChoice) {
    const Template& target = spec_.shot_target.empty() ? target_ : shot_target_;
    const Result<io::JsonValue> value = target.value(document.visible);
    if (!value) return wrong(document, "target", value.error().message());
    const bool list = value->is_array() && !value->as_array().empty();
    answer = python_str(list ? value->as_array().front() : *value);
  } else {
    const auto choices = texts_of(choices_, document, "choices");
    if (!choices) return tl::unexpected(choices.error());
    const Result<i64> gold = gold_of(document, *choices);
    if (!gold) return tl::unexpected(gold.error());
    answer = (*choices)[static_cast<size_t>(*gold)];
  }
  return *question + (answer.empty() ? "" : spec_.target_delimiter) + answer + spec_.shot_delimiter;
}

Result<void> PromptMaker::fill_options(const Document& document, const std::string& before,
                                       Item& item) const {
  const bool several_contexts = !spec_.contexts.empty();
  auto texts = several_contexts ? texts_of(contexts_, document, "contexts")
                                : texts_of(choices_, document, "choices");
  if (!texts) return tl::unexpected(texts.error());
  const Result<i64> gold = gold_of(document, *texts);
  if (!gold) return tl::unexpected(gold.error());
  item.gold = *gold;
  item.target = *gold;
  item.choices = std::move(*texts);
  std::string shared;
  if (several_contexts) {
    const Result<std::string> target = target_.text(document.visible);
    if (!target) return wrong(document, "target", target.error().message());
    shared = spec_.target_delimiter + *target;
    item.target = *target;
    item.prompt = before + item.choices[0];
  }
  for (const std::string& choice : item.choices) {
    if (several_contexts) {
      item.options.push_back({before + choice, shared});
    } else if (spec_.whole) {
      item.options.push_back({"", item.prompt + spec_.target_delimiter + choice});
    } else {
      item.options.push_back({item.prompt, spec_.target_delimiter + choice});
    }
  }
  return {};
}

Result<Item> PromptMaker::make(const Document& document,
                               std::span<const Document* const> shots) const {
  Item item;
  item.document = document;
  Result<std::string> before = description_.text(document.visible);
  if (!before) return wrong(document, "description", before.error().message());
  for (const Document* const each : shots) {
    const Result<std::string> text = shot(*each);
    if (!text) return tl::unexpected(text.error());
    *before += *text;
  }
  const Result<std::string> question = text_.text(document.visible);
  if (!question) return wrong(document, "text", question.error().message());
  item.prompt = *before + *question;
  if (output_ == OutputKind::kMultipleChoice) {
    const Result<void> filled = fill_options(document, *before, item);
    if (!filled) return tl::unexpected(filled.error());
    return item;
  }
  Result<io::JsonValue> target = target_.value(document.visible);
  if (!target) return wrong(document, "target", target.error().message());
  item.target = std::move(*target);
  if (output_ == OutputKind::kGenerate) {
    item.stop = spec_.stop;
    if (!spec_.item_stop.empty()) {
      const auto more = texts_of(item_stop_, document, "item_stop");
      if (!more) return tl::unexpected(more.error());
      item.stop.insert(item.stop.end(), more->begin(), more->end());
    }
  } else if (output_ == OutputKind::kLogLikelihood) {
    item.options.push_back({item.prompt, python_str(item.target)});
  } else if (output_ == OutputKind::kRolling) {
    item.prompt = python_str(item.target);
  }
  return item;
}

}  // namespace fathom::eval
