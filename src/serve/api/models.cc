// GET /v1/models and what is published of the API itself.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/text.h"
#include "serve/api/chat/chat_request.h"
#include "serve/api/completions/completion_request.h"
#include "serve/api/endpoints.h"
#include "serve/api/messages/messages_request.h"
#include "serve/api/responses/responses_request.h"
#include "serve/generate/sampling_fields.h"

namespace fathom::serve {
namespace {

/// Under all names that OpenAI's and Anthropic's clients look for.
io::JsonObject model_json(const ServedModel& model) {
  const i64 context = model.engine.context_tokens();
  io::JsonObject meta, object;
  meta.set("n_ctx_train", model.trained_context_tokens);
  meta.set("n_vocab", model.vocab_size);
  object.set("id", model.name);
  object.set("object", "model");
  object.set("type", "model");
  object.set("display_name", model.name);
  object.set("created", model.created);
  object.set("created_at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                                       fmt::gmtime(static_cast<std::time_t>(model.created))));
  object.set("owned_by", "fathom");
  object.set("max_model_len", context);
  object.set("context_length", context);
  object.set("meta", std::move(meta));
  return object;
}

io::JsonArray names_of(std::span<const std::span<const FieldRule>> rules, FieldClass kind) {
  io::JsonArray names;
  for (const std::span<const FieldRule> list : rules) {
    for (const FieldRule& rule : list) {
      if (rule.kind == kind) names.push_back(rule.name);
    }
  }
  return names;
}

io::JsonObject fields_json(std::span<const std::span<const FieldRule>> rules) {
  io::JsonObject object;
  object.set("honoured", names_of(rules, FieldClass::kHonoured));
  object.set("no_effect", names_of(rules, FieldClass::kNoEffect));
  object.set("refused", names_of(rules, FieldClass::kRefused));
  return object;
}

/// What holds for a request that says nothing.
io::JsonObject defaults_json(const ServedModel& model) {
  engine::GenerateRequest request;
  apply_sampling({}, model, request);
  const engine::SamplingParams& sampling = request.sampling;
  io::JsonObject object;
  object.set("temperature", sampling.temperature);
  object.set("top_p", sampling.top_p);
  object.set("min_p", sampling.min_p);
  object.set("top_k", sampling.top_k);
  object.set("presence_penalty", sampling.presence_penalty);
  object.set("repetition_penalty", sampling.repetition_penalty);
  object.set("max_tokens", model.max_tokens);
  object.set("max_thinking_tokens", model.max_thinking_tokens);
  return object;
}

}  // namespace

ApiResult<http::Response> list_models(Call& call) {
  io::JsonObject body;
  body.set("object", "list");
  body.set("data", io::JsonArray{model_json(call.model)});
  body.set("has_more", false);
  body.set("first_id", call.model.name);
  body.set("last_id", call.model.name);
  return json_response(std::move(body));
}

ApiResult<http::Response> show_model(Call& call) {
  if (call.rest == call.model.name) return json_response(model_json(call.model));
  return tl::unexpected(not_found(
      "model_not_found", fmt::format("the model \"{}\" is not served here; \"{}\" is",
                                     printable(call.rest.substr(0, 200)), call.model.name)));
}

ApiResult<http::Response> capabilities(Call& call) {
  io::JsonObject fields, body;
  fields.set("/v1/chat/completions", fields_json(chat_rules()));
  fields.set("/v1/completions", fields_json(completion_rules()));
  fields.set("/v1/messages", fields_json(messages_rules()));
  fields.set("/v1/responses", fields_json(responses_rules()));
  const tokenizer::ChatTemplate* const chat = call.model.chat_template;
  body.set("model", call.model.name);
  body.set("context_length", call.model.engine.context_tokens());
  body.set("chat_template", chat == nullptr ? io::JsonValue() : io::JsonValue(chat->name));
  body.set("tools", chat != nullptr && chat->has_tools);
  body.set("thinking", chat != nullptr && chat->thinking != tokenizer::ThinkingSupport::kNever);
  body.set("drafts", call.model.engine.drafts());
  body.set("strict_fields", call.model.strict_fields);
  body.set("defaults", defaults_json(call.model));
  body.set("fields", std::move(fields));
  return json_response(std::move(body));
}

ApiResult<http::Response> no_embeddings(Call&) {
  return tl::unexpected(
      not_found("not_found",
                "there are no embeddings here: the hidden states of a causal model are not trained "
                "to be any; run an embedding server beside this one"));
}

}  // namespace fathom::serve
