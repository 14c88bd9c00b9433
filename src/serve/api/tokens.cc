// The tokenizer and the chat template from outside.
#include <fmt/format.h>

#include <array>

#include "serve/api/endpoints.h"
#include "serve/api/token_text.h"
#include "serve/generate/conversation.h"

namespace fathom::serve {
namespace {

using tokenizer::TextKind;

constexpr size_t kMaxTextBytes = size_t{32} << 20;

constexpr std::array kTokenizeRules = {
    FieldRule{"model"},         FieldRule{"prompt"},
    FieldRule{"content"},       FieldRule{"text"},
    FieldRule{"parse_special"}, FieldRule{"add_special_tokens"},
    FieldRule{"add_special"},   FieldRule{"return_token_strs"},
    FieldRule{"with_pieces"},
};
constexpr std::array kDetokenizeRules = {FieldRule{"model"}, FieldRule{"tokens"}};

ApiResult<Prompt> templated(Call& call, FieldReader& reader,
                            std::span<const FieldRule> more_rules) {
  auto model = resolve_model(reader, call.model);
  if (!model) return tl::unexpected(std::move(model.error()));
  Conversation conversation = read_conversation(reader, call.model, model->thinking);
  const std::array rules = {conversation_rules(), more_rules};
  if (const auto checked = check_fields(call, reader, rules, conversation.ignored); !checked) {
    return tl::unexpected(checked.error());
  }
  tell_ignored(call, conversation.ignored);
  call.model.calls->restore(call.caller.key_id, conversation.chat);
  return render(call.model, conversation.chat);
}

/// The text under whichever name the client has for it.
std::optional<std::string> read_text(FieldReader& reader) {
  for (const char* const name : {"prompt", "content", "text"}) {
    if (auto text = reader.text(name, kMaxTextBytes)) return text;
  }
  reader.fail(bad_request("missing_required_parameter", "prompt",
                          "prompt: expected a text, or messages, found none"));
  return std::nullopt;
}

std::vector<i32> encode_plainly(Call& call, FieldReader& reader) {
  const std::optional<std::string> text = read_text(reader);
  const bool adds_special =
      reader.boolean("add_special_tokens").value_or(reader.boolean("add_special").value_or(true));
  const bool parses_special = reader.boolean("parse_special").value_or(true);
  const TextKind kind = parses_special ? TextKind::kMarkup : TextKind::kPlain;
  if (!reader.ok() || !text) return {};
  if (adds_special) return engine::encode_prompt(call.model.codec, *text, kind);
  return call.model.codec.tokenizer.encode(*text, {.text = kind});
}

io::JsonArray to_json(const std::vector<i32>& ids) { return {ids.begin(), ids.end()}; }

}  // namespace

ApiResult<http::Response> tokenize(Call& call) {
  FieldReader reader(call.fields());
  std::vector<i32> ids;
  if (reader.find("messages") != nullptr) {
    auto prompt = templated(call, reader, kTokenizeRules);
    if (!prompt) return tl::unexpected(std::move(prompt.error()));
    ids = std::move(prompt->ids);
  } else {
    ids = encode_plainly(call, reader);
    std::vector<std::string> ignored;
    const std::array<std::span<const FieldRule>, 1> rules = {kTokenizeRules};
    if (const auto checked = check_fields(call, reader, rules, ignored); !checked) {
      return tl::unexpected(checked.error());
    }
    tell_ignored(call, ignored);
  }
  io::JsonObject body;
  body.set("tokens", to_json(ids));
  body.set("count", std::ssize(ids));
  body.set("max_model_len", call.model.engine.context_tokens());
  if (reader.boolean("return_token_strs").value_or(false) ||
      reader.boolean("with_pieces").value_or(false)) {
    io::JsonArray names;
    for (const i32 id : ids) names.push_back(token_name(call.model, id, false));
    body.set("token_strs", std::move(names));
  }
  if (reader.error()) return tl::unexpected(*reader.error());
  return json_response(std::move(body));
}

ApiResult<http::Response> detokenize(Call& call) {
  FieldReader reader(call.fields());
  std::vector<i32> ids;
  const io::JsonArray* const tokens = reader.array("tokens", SIZE_MAX);
  if (tokens == nullptr) {
    reader.fail(bad_request("missing_required_parameter", "tokens",
                            "tokens: expected an array of token ids, found none"));
  } else {
    const i64 most = call.model.vocab_size - 1;
    for (const io::JsonValue& value : *tokens) {
      const std::optional<i64> id = as_whole(value);
      if (!id || *id < 0 || *id > most) {
        reader.fail_range("tokens", fmt::format("token ids from 0 to {}", most), value);
        break;
      }
      ids.push_back(static_cast<i32>(*id));
    }
  }
  std::vector<std::string> ignored;
  const std::array<std::span<const FieldRule>, 1> rules = {kDetokenizeRules};
  if (const auto checked = check_fields(call, reader, rules, ignored); !checked) {
    return tl::unexpected(checked.error());
  }
  tell_ignored(call, ignored);
  const std::string text = call.model.codec.tokenizer.decode(ids);
  io::JsonObject body;
  body.set("prompt", text);
  body.set("content", text);
  return json_response(std::move(body));
}

ApiResult<http::Response> tokenizer_info(Call& call) {
  const tokenizer::TokenizerConfig& config = call.model.codec.config;
  const auto or_null = [](const std::optional<std::string>& text) {
    return text ? io::JsonValue(*text) : io::JsonValue();
  };
  io::JsonObject body;
  body.set("tokenizer_class", config.tokenizer_class);
  body.set("bos_token", or_null(config.bos_token));
  body.set("eos_token", or_null(config.eos_token));
  body.set("pad_token", or_null(config.pad_token));
  body.set("unk_token", or_null(config.unk_token));
  body.set("add_bos_token", !call.model.codec.prefix_ids.empty());
  body.set("vocab_size", call.model.codec.tokenizer.vocab_size());
  body.set("model_max_length", call.model.engine.context_tokens());
  body.set("chat_template", or_null(config.chat_template));
  return json_response(std::move(body));
}

ApiResult<http::Response> apply_template(Call& call) {
  FieldReader reader(call.fields());
  static constexpr std::array kMore = {FieldRule{"model"}};
  auto prompt = templated(call, reader, kMore);
  if (!prompt) return tl::unexpected(std::move(prompt.error()));
  io::JsonObject body;
  body.set("prompt", prompt->text);
  body.set("tokens", to_json(prompt->ids));
  return json_response(std::move(body));
}

}  // namespace fathom::serve
