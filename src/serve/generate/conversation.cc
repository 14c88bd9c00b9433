#include "serve/generate/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "serve/generate/tool_history.h"
#include "tokenizer/chat/parse.h"

namespace fathom::serve {
namespace {

using io::JsonValue;
using tokenizer::Thinking;
using tokenizer::ThinkingSupport;

constexpr const char* kWhere = "request";

bool can_choose(const ServedModel& model) {
  if (model.chat_template == nullptr) return false;
  const ThinkingSupport support = model.chat_template->thinking;
  return support == ThinkingSupport::kChoice || support == ThinkingSupport::kDefaultOn;
}

/// The members that the tokenizer's reader of conversations knows the meaning of.
io::JsonObject chat_members(const FieldReader& reader) {
  static constexpr std::array kNames = {std::string_view("messages"),
                                        std::string_view("tools"),
                                        std::string_view("tool_choice"),
                                        std::string_view("parallel_tool_calls"),
                                        std::string_view("add_generation_prompt"),
                                        std::string_view("continue_final_message")};
  io::JsonObject members;
  for (const std::string_view name : kNames) {
    if (const JsonValue* const value = reader.find(name)) members.set(std::string(name), *value);
  }
  return members;
}

/// Of a template's own arguments all but the thinking ones go to the tokenizer's reader.
void read_template_arguments(FieldReader& reader, io::JsonObject& members, ThinkingWish& wish) {
  const io::JsonObject* const given = reader.object("chat_template_kwargs");
  if (given == nullptr) return;
  io::JsonObject rest = *given;
  FieldReader inner(*given, "chat_template_kwargs.");
  for (const char* const name : {"thinking", "enable_thinking"}) {
    if (const auto thinks = inner.boolean(name)) {
      wish = {.thinking = *thinks ? Thinking::kOn : Thinking::kOff};
    }
    rest.erase(name);
  }
  if (inner.error()) reader.fail(*inner.error());
  if (!rest.empty()) members.set("chat_template_kwargs", std::move(rest));
}

/// Precedence: `thinking`, the template's arguments, effort, the model's alias.
ThinkingWish read_thinking_wish(FieldReader& reader, io::JsonObject& members, Thinking alias) {
  ThinkingWish wish{.thinking = alias, .is_hint = true};
  read_effort(reader, "reasoning_effort", wish);
  if (const io::JsonObject* const reasoning = reader.object("reasoning")) {
    FieldReader inner(*reasoning, "reasoning.");
    read_effort(inner, "effort", wish);
    if (inner.error()) reader.fail(*inner.error());
  }
  if (const auto thinks = reader.boolean("enable_thinking")) {
    wish = {.thinking = *thinks ? Thinking::kOn : Thinking::kOff};
  }
  read_template_arguments(reader, members, wish);
  read_thinking(reader, "thinking", wish);
  return wish;
}

void check_messages(FieldReader& reader) {
  const JsonValue* const messages = reader.find("messages");
  if (messages == nullptr) {
    return reader.fail(bad_request("missing_required_parameter", reader.path("messages"),
                                   "messages: expected an array of messages, found none"));
  }
  const io::JsonArray* const list = reader.array("messages", kMaxMessages);
  if (list != nullptr && list->empty()) {
    reader.fail_range("messages", "at least one message", *messages);
  }
  reader.array("tools", kMaxTools);
}

/// Names have no effect where the template has no place for them.
void drop_names(const ServedModel& model, tokenizer::ChatRequest& chat) {
  if (model.chat_template == nullptr || model.chat_template->traits.has_names) return;
  for (tokenizer::Message& message : chat.messages) message.name.clear();
}

}  // namespace

std::span<const FieldRule> conversation_rules() {
  static const auto is_none = [](const JsonValue& value) {
    return value.is_string() && value.as_string() == "none";
  };
  static const auto is_text = [](const JsonValue& value) {
    return value.is_array() && value.as_array().size() == 1 && value.as_array()[0].is_string() &&
           value.as_array()[0].as_string() == "text";
  };
  static constexpr auto kNo = FieldClass::kRefused;
  static const std::array kRules = {
      FieldRule{"messages"},
      FieldRule{"tools"},
      FieldRule{"tool_choice"},
      FieldRule{"parallel_tool_calls"},
      FieldRule{"add_generation_prompt"},
      FieldRule{"continue_final_message"},
      FieldRule{"thinking"},
      FieldRule{"enable_thinking"},
      FieldRule{"reasoning_effort"},
      FieldRule{"reasoning"},
      FieldRule{"chat_template_kwargs"},
      FieldRule{"chat_template", kNo},
      FieldRule{"functions", kNo},
      FieldRule{"function_call", kNo, is_none},
      FieldRule{"audio", kNo},
      FieldRule{"modalities", kNo, is_text},
      FieldRule{"web_search_options", kNo},
  };
  return kRules;
}

void read_thinking(FieldReader& reader, std::string_view name, ThinkingWish& wish) {
  const JsonValue* const value = reader.find(name);
  if (value == nullptr) return;
  if (value->is_bool()) {
    wish = {.thinking = value->as_bool() ? Thinking::kOn : Thinking::kOff};
    return;
  }
  const io::JsonObject* const object = reader.object(name);
  if (object == nullptr) return;
  FieldReader inner(*object, reader.path(name) + ".");
  const std::string type = inner.text("type").value_or("");
  const auto budget = inner.integer("budget_tokens", 1, INT64_MAX);
  if (type == "enabled") {
    wish = {.thinking = Thinking::kOn};
  } else if (type == "disabled") {
    wish = {.thinking = Thinking::kOff};
  } else if (type == "adaptive" || type == "between_tools") {
    wish = {.thinking = Thinking::kOn, .is_hint = true};
  } else {
    inner.fail(bad_request("unsupported_value", inner.path("type"),
                           inner.path("type") +
                               ": expected \"enabled\", \"disabled\", \"adaptive\" or "
                               "\"between_tools\", found " +
                               (type.empty() ? "none" : "\"" + printable(type) + "\"")));
  }
  wish.budget_tokens = budget;
  if (inner.error()) reader.fail(*inner.error());
}

void read_effort(FieldReader& reader, std::string_view name, ThinkingWish& wish) {
  const auto effort = reader.text(name, 64);
  if (!effort) return;
  static constexpr std::array kLevels = {"minimal", "low", "medium", "high", "xhigh", "max"};
  const bool is_off = *effort == "none";
  if (!is_off && std::ranges::find(kLevels, *effort) == kLevels.end()) {
    return reader.fail(bad_request(
        "unsupported_value", reader.path(name),
        fmt::format("{}: expected none, minimal, low, medium, high, xhigh or max, found \"{}\"",
                    reader.path(name), printable(*effort))));
  }
  wish = {.thinking = is_off ? Thinking::kOff : Thinking::kOn, .is_hint = true};
}

void apply_thinking(const ThinkingWish& wish, const ServedModel& model,
                    Conversation& conversation) {
  conversation.thinking_budget = wish.budget_tokens;
  if (wish.thinking == Thinking::kDefault) return;
  // V3.1 calls tools without thinking. As in DeepSeek's own API the tools win: agents ask for both
  // in every request.
  const bool gives_way = wish.thinking == Thinking::kOn && !conversation.chat.tools.empty() &&
                         model.chat_template != nullptr &&
                         model.chat_template->dialect == tokenizer::ChatDialect::kHybridThought;
  if (gives_way) {
    conversation.ignored.push_back("thinking");
  } else if (can_choose(model) || !wish.is_hint) {
    conversation.chat.thinking = wish.thinking;
  } else if (model.chat_template != nullptr) {
    conversation.ignored.push_back("reasoning_effort");
  }
}

Conversation read_conversation(FieldReader& reader, const ServedModel& model, Thinking alias) {
  Conversation conversation;
  check_messages(reader);
  io::JsonObject members = chat_members(reader);
  const ThinkingWish wish = read_thinking_wish(reader, members, alias);
  if (!reader.ok()) return conversation;
  auto parsed =
      tokenizer::read_chat_request(JsonValue(std::move(members)), kWhere, &conversation.ignored);
  if (!parsed) {
    reader.fail(of_reader(parsed.error(), kWhere));
    return conversation;
  }
  for (std::string& name : conversation.ignored) {  // "request: messages[0].type"
    name.erase(0, std::string_view(kWhere).size() + 2);
  }
  conversation.chat = std::move(parsed->request);
  conversation.chat.texts = model.chat_texts;
  order_results(conversation.chat);
  drop_names(model, conversation.chat);
  apply_thinking(wish, model, conversation);
  return conversation;
}

ApiResult<Prompt> render(const ServedModel& model, const tokenizer::ChatRequest& chat,
                         bool opens_thought) {
  if (model.chat_template == nullptr) {
    return tl::unexpected(bad_request("unsupported_value", "messages", model.chat_problem));
  }
  auto segments = tokenizer::render_chat(*model.chat_template, chat);
  if (!segments) return tl::unexpected(of_reader(segments.error(), ""));
  if (opens_thought) {
    const auto opening = tokenizer::own_thought_opening(*model.chat_template, chat, *segments);
    segments->insert(segments->end(), opening.begin(), opening.end());
  }
  return Prompt{.ids = tokenizer::encode_chat(model.codec.tokenizer, *segments),
                .text = tokenizer::chat_text(*segments),
                .in_thought = tokenizer::ends_in_thought(*segments)};
}

ApiResult<NamedModel> resolve_model(FieldReader& reader, const ServedModel& model) {
  const auto name = reader.text("model", 1024);
  if (reader.error()) return tl::unexpected(*reader.error());
  if (!name || name->empty() || *name == model.name) return NamedModel{.name = model.name};
  if (*name == "deepseek-chat") return NamedModel{.name = *name, .thinking = Thinking::kOff};
  if (*name == "deepseek-reasoner") return NamedModel{.name = *name, .thinking = Thinking::kOn};
  if (model.aliases.has(*name)) return NamedModel{.name = *name};
  ApiError error =
      not_found("model_not_found", fmt::format("the model \"{}\" is not served here; \"{}\" is",
                                               printable(name->substr(0, 200)), model.name));
  error.param = "model";
  return tl::unexpected(std::move(error));
}

}  // namespace fathom::serve
