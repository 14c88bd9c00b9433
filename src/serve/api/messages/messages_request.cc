#include "serve/api/messages/messages_request.h"

#include <array>

namespace fathom::serve {
namespace {

std::span<const FieldRule> rules() {
  static constexpr auto kNone = FieldClass::kNoEffect;
  static constexpr std::array kRules = {
      FieldRule{"model"},
      FieldRule{"max_tokens"},
      FieldRule{"messages"},
      FieldRule{"system"},
      FieldRule{"temperature"},
      FieldRule{"top_p"},
      FieldRule{"top_k"},
      FieldRule{"stop_sequences"},
      FieldRule{"stream"},
      FieldRule{"tools"},
      FieldRule{"tool_choice"},
      FieldRule{"thinking"},
      FieldRule{"output_config"},
      FieldRule{"output_format"},
      FieldRule{"seed"},
      FieldRule{"metadata"},  // its user_id, for accounting
      FieldRule{"cache_control", kNone},
      FieldRule{"service_tier", kNone},
      FieldRule{"container", kNone},
      FieldRule{"mcp_servers", kNone},
      FieldRule{"context_management", kNone},
      FieldRule{"inference_geo", kNone},
      FieldRule{"anthropic_version", kNone},
      FieldRule{"anthropic_beta", kNone},
      FieldRule{"betas", kNone},
      FieldRule{"speed", kNone},
  };
  return kRules;
}

void read_metadata(FieldReader& reader, SamplingFields& sampling) {
  const io::JsonObject* const metadata = reader.object("metadata");
  if (metadata == nullptr) return;
  FieldReader inner(*metadata, "metadata.");
  sampling.end_user = inner.text("user_id").value_or("");
  if (inner.error()) reader.fail(*inner.error());
}

SamplingFields read_fields(FieldReader& reader, const ServedModel& model, bool counts) {
  SamplingFields sampling;
  sampling.max_tokens = reader.integer("max_tokens", 1, INT64_MAX);
  if (!sampling.max_tokens && !counts && reader.ok()) {
    reader.fail(bad_request("missing_required_parameter", "max_tokens",
                            "max_tokens: expected an integer >= 1, found none"));
  }
  sampling.temperature = reader.number("temperature", 0, 2);
  sampling.top_p = reader.number("top_p", 0, 1);
  sampling.top_k = reader.integer("top_k", -1, model.vocab_size);
  sampling.seed = reader.integer("seed", INT64_MIN, INT64_MAX);
  sampling.stop = read_stops(reader, "stop_sequences");
  read_metadata(reader, sampling);
  return sampling;
}

/// What output_config says, and `thinking`, which has the last word.
void read_output(FieldReader& reader, ThinkingWish& wish, AnswerFormat& format) {
  if (const io::JsonObject* const output = reader.object("output_config")) {
    FieldReader inner(*output, "output_config.");
    read_effort(inner, "effort", wish);
    read_response_format(inner, "format", true, format);
    if (inner.error()) reader.fail(*inner.error());
  }
  read_response_format(reader, "output_format", true, format);
  read_thinking(reader, "thinking", wish);
}

}  // namespace

std::vector<std::span<const FieldRule>> messages_rules() { return {rules()}; }

ApiResult<MessagesBody> read_messages_body(const Call& call, bool counts) {
  FieldReader reader(call.fields());
  MessagesBody body;
  auto model = resolve_model(reader, call.model);
  if (!model) return tl::unexpected(std::move(model.error()));
  body.model = std::move(*model);
  body.stream = reader.boolean("stream").value_or(false);
  body.sampling = read_fields(reader, call.model, counts);
  ThinkingWish wish{.thinking = body.model.thinking, .is_hint = true};
  read_output(reader, wish, body.format);
  read_messages(reader, body.conversation);
  read_messages_tools(reader, body.conversation);
  body.conversation.chat.texts = call.model.chat_texts;
  apply_thinking(wish, call.model, body.conversation);
  const auto checked = check_fields(call, reader, messages_rules(), body.conversation.ignored);
  if (!checked) return tl::unexpected(checked.error());
  return body;
}

}  // namespace fathom::serve
