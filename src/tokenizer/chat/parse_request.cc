#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "io/json.h"
#include "tokenizer/chat/parse.h"
#include "tokenizer/chat/parse_keys.h"

namespace fathom::tokenizer {
namespace {

using io::JsonValue;

std::vector<std::string> to_texts(const io::JsonArray& values) {
  std::vector<std::string> texts;
  for (const JsonValue& value : values) texts.push_back(io::write_json(value));
  return texts;
}

/// Reads the members of one request.
class RequestReader {
 public:
  RequestReader(std::string where, std::vector<std::string>* unknown)
      : where_(std::move(where)), unknown_(unknown) {}

  Result<ParsedChatRequest> read(const JsonValue& root) {
    if (auto done = read_root(root); !done) return tl::unexpected(done.error());
    return std::move(parsed_);
  }

 private:
  Result<void> read_root(const JsonValue& root) {
    if (root.is_array()) return read_messages(root, where_);
    if (auto messages = io::get_array(root, "messages", where_); !messages) {
      return tl::unexpected(messages.error());
    }
    if (auto done = read_members(*this, kKeys, root.as_object(), where_ + ": "); !done) return done;
    return finish();
  }

  Result<void> finish() {
    ChatRequest& request = parsed_.request;
    if (leaves_tools_out_) request.tools.clear();
    if (one_call_) request.tool_use.parallel = false;
    if (auto checked = check_tool_use(); !checked) return checked;
    const bool has_prefix = !request.messages.empty() && request.messages.back().prefix;
    if (has_prefix && continues_ == false) {
      return invalid_input(where_ +
                           ": continue_final_message is false, but the last message is a prefix");
    }
    request.continue_final_message = has_prefix || continues_ == true;
    if (request.continue_final_message && generates_ == true) {
      return invalid_input(where_ +
                           ": add_generation_prompt is true, but the last message is to be "
                           "continued: expected one of the two");
    }
    request.add_generation_prompt = generates_.value_or(!request.continue_final_message);
    return {};
  }

  Result<void> read_messages(const JsonValue& value, const std::string&) {
    const io::JsonArray& messages = value.as_array();
    for (size_t i = 0; i < messages.size(); ++i) {
      auto message =
          parse_message(messages[i], fmt::format("{}: messages[{}]", where_, i), unknown_);
      if (!message) return tl::unexpected(message.error());
      const bool is_last = i + 1 == messages.size();
      if (message->prefix && !is_last) {
        return invalid_input(
            fmt::format("{}: messages[{}].prefix: only the last message can be a prefix of what "
                        "the model writes",
                        where_, i));
      }
      parsed_.request.messages.push_back(std::move(*message));
    }
    const bool has_prefix = !messages.empty() && parsed_.request.messages.back().prefix;
    parsed_.request.continue_final_message = has_prefix;
    parsed_.request.add_generation_prompt = !has_prefix;
    return {};
  }

  Result<void> read_tools(const JsonValue& value, const std::string& place) {
    if (!value.is_array()) return wrong(place, "a list of tools", value);
    parsed_.request.tools = to_texts(value.as_array());
    return {};
  }

  Result<void> read_tool_choice(const JsonValue& value, const std::string& place) {
    ToolUse& use = parsed_.request.tool_use;
    const std::string type = text_member(value, "type");
    if (value.is_string() && value.as_string() == "none") {
      leaves_tools_out_ = true;
    } else if (type == "function") {
      use.choice = ToolUse::Choice::kRequired;
      one_call_ = true;
      return read_function_name(value, place);
    } else if (type == "allowed_tools") {
      return read_allowed_tools(value, place);
    } else {
      return read_mode(value, place);
    }
    return {};
  }

  Result<void> read_mode(const JsonValue& value, const std::string& place) {
    const std::string mode = value.is_string() ? value.as_string() : "";
    if (mode != "auto" && mode != "required") {
      return wrong(place, "\"auto\", \"none\", \"required\", a function or allowed_tools", value);
    }
    parsed_.request.tool_use.choice =
        mode == "auto" ? ToolUse::Choice::kAuto : ToolUse::Choice::kRequired;
    return {};
  }

  /// {"type": "function", "function": {"name": "f"}}
  Result<void> read_function_name(const JsonValue& value, const std::string& place) {
    const JsonValue* const function = value.find("function");
    const std::string name = function == nullptr ? "" : text_member(*function, "name");
    if (name.empty()) return wrong(place + ".function.name", "the name of a function", value);
    parsed_.request.tool_use.names.push_back(name);
    return {};
  }

  /// {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [a function, ...]}}
  Result<void> read_allowed_tools(const JsonValue& value, const std::string& place) {
    const JsonValue* const allowed = value.find("allowed_tools");
    const JsonValue* const mode = allowed == nullptr ? nullptr : allowed->find("mode");
    const JsonValue* const tools = allowed == nullptr ? nullptr : allowed->find("tools");
    if (mode == nullptr || tools == nullptr || !tools->is_array() || tools->as_array().empty()) {
      return wrong(place + ".allowed_tools", "an object with mode and tools", value);
    }
    if (auto done = read_mode(*mode, place + ".allowed_tools.mode"); !done) return done;
    for (const JsonValue& tool : tools->as_array()) {
      if (auto done = read_function_name(tool, place + ".allowed_tools.tools"); !done) return done;
    }
    return {};
  }

  static std::string text_member(const JsonValue& value, std::string_view key) {
    const JsonValue* const member = value.is_object() ? value.find(key) : nullptr;
    return member != nullptr && member->is_string() ? member->as_string() : "";
  }

  /// Whatever may be called is among the tools.
  Result<void> check_tool_use() const {
    const ChatRequest& request = parsed_.request;
    const ToolUse& use = request.tool_use;
    if (request.tools.empty() && use.choice == ToolUse::Choice::kRequired) {
      return invalid_input(where_ + ": tool_choice: a tool is to be called, but there are none");
    }
    for (const std::string& name : use.names) {
      const bool known = std::ranges::any_of(request.tools, [&](const std::string& text) {
        const auto tool = io::parse_json(text, where_);
        const JsonValue* const function = tool ? tool->find("function") : nullptr;
        return function != nullptr && text_member(*function, "name") == name;
      });
      if (!known) {
        return invalid_input(
            fmt::format("{}: tool_choice: no tool has the name \"{}\"", where_, name));
      }
    }
    return {};
  }

  Result<void> read_generation(const JsonValue& value, const std::string& place) {
    return read_bool(value, place, generates_);
  }
  Result<void> read_continuation(const JsonValue& value, const std::string& place) {
    return read_bool(value, place, continues_);
  }

  /// A bool as the templates have it, or {"type": "enabled"} as DeepSeek's API has it.
  Result<void> read_thinking(const JsonValue& value, const std::string& place) {
    const JsonValue* const type = value.find("type");
    const std::string word = type != nullptr && type->is_string() ? type->as_string() : "";
    std::optional<bool> thinks;
    if (value.is_object() && value.as_object().size() == 1) {
      if (word == "enabled") thinks = true;
      if (word == "disabled") thinks = false;
    }
    if (value.is_bool()) thinks = value.as_bool();
    if (!thinks) return wrong(place, "true, false or {\"type\": \"enabled\"}", value);
    const Thinking thinking = *thinks ? Thinking::kOn : Thinking::kOff;
    Thinking& known = parsed_.request.thinking;
    if (known != Thinking::kDefault && known != thinking) {
      return invalid_input(place + ": contradicts what the request says of thinking elsewhere");
    }
    known = thinking;
    return {};
  }

  Result<void> read_date(const JsonValue& value, const std::string& place) {
    if (!value.is_string()) return wrong(place, "a string", value);
    parsed_.request.date_string = value.as_string();
    return {};
  }

  Result<void> read_template_kwargs(const JsonValue& value, const std::string& place) {
    if (!value.is_object()) return wrong(place, "an object", value);
    return read_members(*this, kTemplateKeys, value.as_object(), place + ".");
  }

  Result<void> read_sampling(const JsonValue&, const std::string& place) {
    parsed_.sampling_keys.push_back(place.substr(place.rfind(' ') + 1));
    return {};
  }

  Result<void> read_parallel_calls(const JsonValue& value, const std::string& place) {
    if (!value.is_bool()) return wrong(place, "true or false", value);
    parsed_.request.tool_use.parallel = value.as_bool();
    return {};
  }

  Result<void> read_logprobs(const JsonValue& value, const std::string& place) {
    if (value.is_bool() && !value.as_bool()) return {};
    return read_sampling(value, place);
  }
  Result<void> read_num_answers(const JsonValue& value, const std::string& place) {
    if (value.is_integer() && value.as_integer() == 1) return {};
    return read_sampling(value, place);
  }

  Result<void> read_response_format(const JsonValue& value, const std::string& place) {
    const JsonValue* const type = value.find("type");
    if (type != nullptr && type->is_string() && type->as_string() == "text") return {};
    return unsupported(place + ": only {\"type\": \"text\"} is supported");
  }

  Result<void> pass_over(const JsonValue&, const std::string&) { return {}; }

  using Key = MemberKey<RequestReader>;
  static const std::array<Key, 38> kKeys;
  static const std::array<Key, 5> kTemplateKeys;

  std::string where_;
  std::vector<std::string>* unknown_;
  ParsedChatRequest parsed_;
  std::optional<bool> generates_, continues_;
  bool leaves_tools_out_ = false, one_call_ = false;
};

const std::array<RequestReader::Key, 38> RequestReader::kKeys = {{
    {"messages", &RequestReader::read_messages},
    {"tools", &RequestReader::read_tools},
    {"tool_choice", &RequestReader::read_tool_choice},
    {"add_generation_prompt", &RequestReader::read_generation},
    {"continue_final_message", &RequestReader::read_continuation},
    {"thinking", &RequestReader::read_thinking},
    {"enable_thinking", &RequestReader::read_thinking},
    {"chat_template_kwargs", &RequestReader::read_template_kwargs},
    {"parallel_tool_calls", &RequestReader::read_parallel_calls},
    {"response_format", &RequestReader::read_response_format},
    // What only a server acts upon.
    {"model", &RequestReader::pass_over},
    {"stream", &RequestReader::pass_over},
    {"stream_options", &RequestReader::pass_over},
    {"user", &RequestReader::pass_over},
    {"metadata", &RequestReader::pass_over},
    {"store", &RequestReader::pass_over},
    {"service_tier", &RequestReader::pass_over},
    {"safety_identifier", &RequestReader::pass_over},
    {"prompt_cache_key", &RequestReader::pass_over},
    // What only a generator acts upon.
    {"logprobs", &RequestReader::read_logprobs},
    {"top_logprobs", &RequestReader::read_sampling},
    {"n", &RequestReader::read_num_answers},
    {"seed", &RequestReader::read_sampling},
    {"stop", &RequestReader::read_sampling},
    {"temperature", &RequestReader::read_sampling},
    {"top_p", &RequestReader::read_sampling},
    {"top_k", &RequestReader::read_sampling},
    {"min_p", &RequestReader::read_sampling},
    {"max_tokens", &RequestReader::read_sampling},
    {"max_completion_tokens", &RequestReader::read_sampling},
    {"max_new_tokens", &RequestReader::read_sampling},
    {"min_tokens", &RequestReader::read_sampling},
    {"do_sample", &RequestReader::read_sampling},
    {"ignore_eos", &RequestReader::read_sampling},
    {"logit_bias", &RequestReader::read_sampling},
    {"presence_penalty", &RequestReader::read_sampling},
    {"frequency_penalty", &RequestReader::read_sampling},
    {"repetition_penalty", &RequestReader::read_sampling},
}};

const std::array<RequestReader::Key, 5> RequestReader::kTemplateKeys = {{
    {"date_string", &RequestReader::read_date},
    {"thinking", &RequestReader::read_thinking},
    {"enable_thinking", &RequestReader::read_thinking},
    {"add_generation_prompt", &RequestReader::read_generation},
    {"continue_final_message", &RequestReader::read_continuation},
}};

}  // namespace

Result<ParsedChatRequest> parse_chat_request(std::string_view text, const std::string& where) {
  auto root = io::parse_json(text, where);
  if (!root) return tl::unexpected(root.error());
  return read_chat_request(*root, where);
}

Result<ParsedChatRequest> read_chat_request(const JsonValue& root, const std::string& where,
                                            std::vector<std::string>* unknown) {
  return RequestReader(where, unknown).read(root);
}

Result<std::vector<std::string>> parse_tools(std::string_view text, const std::string& where) {
  auto root = io::parse_json(text, where);
  if (!root) return tl::unexpected(root.error());
  if (!root->is_array()) return wrong(where, "a list of tools", *root);
  return to_texts(root->as_array());
}

}  // namespace fathom::tokenizer
