#include "serve/api/messages/anthropic_error.h"

#include <fmt/format.h>

namespace fathom::serve {
namespace {

constexpr int kOverloaded = 529;

int status_of(const ApiError& error) { return error.status == 503 ? kOverloaded : error.status; }

std::string_view type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case kOverloaded:
      return "overloaded_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

/// Clients compact a conversation where they read this.
std::string message_of(const ApiError& error) {
  if (error.code != "context_length_exceeded") return error.message;
  return fmt::format("prompt is too long: {} tokens > {} maximum",
                     error.extra.find("n_prompt_tokens")->as_integer(),
                     error.extra.find("n_ctx")->as_integer());
}

}  // namespace

io::JsonValue anthropic_error(const ApiError& error, const std::string& request_id) {
  io::JsonObject inner, outer;
  inner.set("type", type_of(status_of(error)));
  inner.set("message", message_of(error));
  outer.set("type", "error");
  outer.set("error", std::move(inner));
  outer.set("request_id", request_id);
  return outer;
}

http::Response anthropic_error_response(const ApiError& error, const std::string& request_id) {
  http::Response response = json_response(anthropic_error(error, request_id), status_of(error));
  response.headers.insert(response.headers.end(), error.headers.begin(), error.headers.end());
  response.headers.push_back({"request-id", request_id});
  return response;
}

}  // namespace fathom::serve
