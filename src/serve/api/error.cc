#include "serve/api/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace fathom::serve {
namespace {

/// "messages[0].content"
bool is_field_path(std::string_view text) {
  const auto may_stand = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '[' || c == ']';
  };
  return !text.empty() && std::ranges::all_of(text, may_stand);
}

}  // namespace

ApiError bad_request(std::string code, std::string param, std::string message) {
  return {.status = 400,
          .code = std::move(code),
          .message = std::move(message),
          .param = std::move(param)};
}

ApiError not_found(std::string code, std::string message) {
  return {.status = 404,
          .type = "not_found_error",
          .code = std::move(code),
          .message = std::move(message)};
}

ApiError overloaded(std::string code, std::string message, double retry_after_s) {
  ApiError error{.status = 503,
                 .type = "server_error",
                 .code = std::move(code),
                 .message = std::move(message)};
  const double seconds = std::clamp(std::ceil(retry_after_s), 1.0, 3600.0);
  error.headers.push_back({"Retry-After", fmt::format("{:.0f}", seconds)});
  return error;
}

ApiError server_fault(const std::string& request_id) {
  return {
      .status = 500,
      .type = "server_error",
      .code = "server_error",
      .message = "an error of the server's own; its log has more under request id " + request_id};
}

ApiError of_reader(const Error& error, std::string_view where) {
  std::string_view message = error.message();
  if (message.starts_with(where)) {
    message.remove_prefix(where.size());
    while (message.starts_with(':') || message.starts_with(' ')) message.remove_prefix(1);
  }
  const size_t colon = message.find(": ");
  const std::string_view path = message.substr(0, colon == std::string::npos ? 0 : colon);
  const bool refused = error.code() == ErrorCode::kUnsupported;
  return bad_request(refused ? "unsupported_value" : "invalid_value",
                     is_field_path(path) ? std::string(path) : "", printable(message));
}

io::JsonValue openai_error(const ApiError& error) {
  io::JsonObject inner;
  inner.set("message", error.message);
  inner.set("type", error.type);
  inner.set("param", error.param.empty() ? io::JsonValue() : io::JsonValue(error.param));
  inner.set("code", error.code.empty() ? io::JsonValue() : io::JsonValue(error.code));
  for (const auto& [key, value] : error.extra) inner.set(key, value);
  io::JsonObject outer;
  outer.set("error", std::move(inner));
  return outer;
}

http::Response openai_error_response(const ApiError& error, const std::string&) {
  http::Response response = json_response(openai_error(error), error.status);
  response.headers.insert(response.headers.end(), error.headers.begin(), error.headers.end());
  return response;
}

http::Response json_response(const io::JsonValue& value, int status) {
  http::Response response;
  response.status = status;
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = io::write_json(value);
  return response;
}

}  // namespace fathom::serve
