#include "serve/api/responses/responses_reply.h"

#include <fmt/format.h>

#include "serve/api/sse.h"

namespace fathom::serve {
namespace {

using io::JsonValue;

io::JsonObject usage_json(const Usage& usage) {
  io::JsonObject cached, reasoning, object;
  cached.set("cached_tokens", usage.cached_tokens);
  reasoning.set("reasoning_tokens", usage.reasoning_tokens);
  object.set("input_tokens", usage.prompt_tokens);
  object.set("input_tokens_details", std::move(cached));
  object.set("output_tokens", usage.completion_tokens);
  object.set("output_tokens_details", std::move(reasoning));
  object.set("total_tokens", usage.prompt_tokens + usage.completion_tokens);
  return object;
}

JsonValue error_json(const ApiError* error) {
  if (error == nullptr) return {};
  io::JsonObject object;
  object.set("code", error->code);
  object.set("message", error->message);
  return object;
}

JsonValue incomplete_json(std::string_view reason) {
  if (reason.empty()) return {};
  io::JsonObject object;
  object.set("reason", reason);
  return object;
}

JsonValue one_member(std::string_view name, JsonValue value) {
  io::JsonObject object;
  object.set(std::string(name), std::move(value));
  return object;
}

}  // namespace

io::JsonObject echoed(const Call& call, const ResponsesBody& body) {
  io::JsonObject reasoning;
  reasoning.set("effort", JsonValue());
  reasoning.set("summary", JsonValue());
  io::JsonObject echo;
  echo.set("instructions", JsonValue());
  echo.set("max_output_tokens", JsonValue());
  echo.set("metadata", io::JsonObject());
  echo.set("parallel_tool_calls", true);
  echo.set("previous_response_id", JsonValue());
  echo.set("reasoning", std::move(reasoning));
  echo.set("temperature", call.model.advice.temperature.value_or(1.0));
  echo.set("text", one_member("format", one_member("type", "text")));
  echo.set("tool_choice", "auto");
  echo.set("tools", io::JsonArray());
  echo.set("top_logprobs", 0);
  echo.set("top_p", call.model.advice.top_p.value_or(1.0));
  echo.set("truncation", "disabled");
  echo.set("user", JsonValue());
  for (const auto& [name, value] : call.fields()) {
    if (!value.is_null() && echo.find(name) != nullptr) echo.set(name, value);
  }
  echo.set("model", body.model.name);
  echo.set("store", false);
  echo.set("background", false);
  echo.set("service_tier", "default");
  return echo;
}

io::JsonObject response_json(const ResponsesReply& reply, ResponseState state) {
  io::JsonObject object;
  object.set("id", reply.id);
  object.set("object", "response");
  object.set("created_at", reply.created);
  object.set("status", state.status);
  object.set("error", error_json(state.error));
  object.set("incomplete_details", incomplete_json(state.incomplete_reason));
  object.set("output", std::move(state.output));
  object.set("usage", state.usage == nullptr ? JsonValue() : JsonValue(usage_json(*state.usage)));
  for (const auto& [name, value] : reply.echo) object.set(name, value);
  return object;
}

std::string failed_stream(const ResponsesReply& reply, const ApiError& error) {
  std::string out;
  i64 number = 0;
  const auto event = [&](std::string_view name, const io::JsonObject& response) {
    fmt::format_to(std::back_inserter(out),
                   "event: {0}\ndata: {{\"type\":\"{0}\",\"sequence_number\":{1},"
                   "\"response\":{2}}}\n\n",
                   name, number++, io::write_json(response));
  };
  event("response.created", response_json(reply, {}));
  event("response.failed", response_json(reply, {.status = "failed", .error = &error}));
  return out;
}

}  // namespace fathom::serve
