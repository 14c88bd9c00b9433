#include "serve/api/responses/responses_request.h"

#include <algorithm>
#include <array>

namespace fathom::serve {
namespace {

using io::JsonValue;

std::span<const FieldRule> rules() {
  static constexpr auto kNone = FieldClass::kNoEffect;
  static constexpr auto kNo = FieldClass::kRefused;
  static const auto is_disabled = [](const JsonValue& value) {
    return value.is_string() && value.as_string() == "disabled";
  };
  static const std::array kRules = {
      FieldRule{"model"},
      FieldRule{"input"},
      FieldRule{"instructions"},
      FieldRule{"max_output_tokens"},
      FieldRule{"temperature"},
      FieldRule{"top_p"},
      FieldRule{"top_logprobs"},
      FieldRule{"tools"},
      FieldRule{"tool_choice"},
      FieldRule{"parallel_tool_calls"},
      FieldRule{"reasoning"},
      FieldRule{"text"},
      FieldRule{"stream"},
      FieldRule{"include"},
      FieldRule{"seed"},
      FieldRule{"user"},
      FieldRule{"safety_identifier"},
      FieldRule{"previous_response_id"},
      FieldRule{"metadata", kNone},  // given back
      FieldRule{"store", kNone},
      FieldRule{"service_tier", kNone},
      FieldRule{"stream_options", kNone},
      FieldRule{"prompt_cache_key", kNone},
      FieldRule{"prompt_cache_retention", kNone},
      FieldRule{"max_tool_calls", kNone},
      FieldRule{"client_metadata", kNone},
      FieldRule{"truncation", kNo, is_disabled},
      FieldRule{"background", kNo},
      FieldRule{"conversation", kNo},
      FieldRule{"prompt", kNo},
  };
  return kRules;
}

void read_state(FieldReader& reader) {
  const auto previous = reader.text("previous_response_id", 1024);
  if (!previous || previous->empty()) return;
  reader.fail(bad_request("previous_response_not_found", "previous_response_id",
                          "previous_response_id: no responses are kept here; replay the "
                          "conversation as input"));
}

SamplingFields read_fields(FieldReader& reader) {
  SamplingFields sampling;
  sampling.max_tokens = reader.integer("max_output_tokens", 1, INT64_MAX);
  sampling.temperature = reader.number("temperature", 0, 2);
  sampling.top_p = reader.number("top_p", 0, 1);
  sampling.seed = reader.integer("seed", INT64_MIN, INT64_MAX);
  for (const char* const name : {"user", "safety_identifier"}) {
    if (auto end_user = reader.text(name)) sampling.end_user = std::move(*end_user);
  }
  return sampling;
}

/// Log-probabilities are asked for by a number, or by a name in `include`.
i64 read_logprobs(FieldReader& reader) {
  const i64 top = reader.integer("top_logprobs", 0, engine::kMaxTopLogProbs).value_or(0);
  bool wanted = top > 0;
  if (const io::JsonArray* const include = reader.array("include", 64)) {
    wanted |= std::ranges::any_of(*include, [](const JsonValue& name) {
      return name.is_string() && name.as_string() == "message.output_text.logprobs";
    });
  }
  return wanted ? top : -1;
}

ThinkingWish read_wish(FieldReader& reader, tokenizer::Thinking alias) {
  ThinkingWish wish{.thinking = alias, .is_hint = true};
  if (const io::JsonObject* const reasoning = reader.object("reasoning")) {
    FieldReader inner(*reasoning, "reasoning.");
    read_effort(inner, "effort", wish);
    if (inner.error()) reader.fail(*inner.error());
  }
  return wish;
}

AnswerFormat read_text(FieldReader& reader) {
  AnswerFormat format;
  if (const io::JsonObject* const text = reader.object("text")) {
    FieldReader inner(*text, "text.");
    read_response_format(inner, "format", true, format);
    if (inner.error()) reader.fail(*inner.error());
  }
  return format;
}

}  // namespace

std::vector<std::span<const FieldRule>> responses_rules() { return {rules()}; }

ApiResult<ResponsesBody> read_responses_body(const Call& call) {
  FieldReader reader(call.fields());
  ResponsesBody body;
  auto model = resolve_model(reader, call.model);
  if (!model) return tl::unexpected(std::move(model.error()));
  body.model = std::move(*model);
  read_state(reader);
  body.stream = reader.boolean("stream").value_or(false);
  body.sampling = read_fields(reader);
  body.top_logprobs = read_logprobs(reader);
  body.format = read_text(reader);
  const ThinkingWish wish = read_wish(reader, body.model.thinking);
  read_items(reader, body.conversation);
  body.tools = read_response_tools(reader, body.conversation);
  body.conversation.chat.texts = call.model.chat_texts;
  apply_thinking(wish, call.model, body.conversation);
  const auto checked = check_fields(call, reader, responses_rules(), body.conversation.ignored);
  if (!checked) return tl::unexpected(checked.error());
  return body;
}

}  // namespace fathom::serve
