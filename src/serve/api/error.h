#pragma once
// What a client is told when something is wrong, before it is written in the words of a dialect.
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/error.h"
#include "io/json.h"
#include "serve/http/response.h"

namespace fathom::serve {

struct ApiError {
  int status = 400;
  std::string type = "invalid_request_error";
  std::string code;
  std::string message;  // names the field, what was found and what is allowed
  std::string param;    // the field; empty: none is to blame
  std::vector<http::Header> headers = {};
  io::JsonObject extra = {};  // members beside message, type, param and code
};

template <typename T>
using ApiResult = tl::expected<T, ApiError>;

/// 400: the client's fault.
ApiError bad_request(std::string code, std::string param, std::string message);
/// 404 with code "model_not_found" or "not_found".
ApiError not_found(std::string code, std::string message);
/// 503: come again.
ApiError overloaded(std::string code, std::string message, double retry_after_s);
/// 500: our bug. `request_id` is what a report should name.
ApiError server_fault(const std::string& request_id);
/// Of a reader below serve/, whose messages begin with the place: "request: messages[0].role: ...".
/// `where` is what it was told to call the request.
ApiError of_reader(const Error& error, std::string_view where);

/// {"error": {"message", "type", "param", "code"}}
io::JsonValue openai_error(const ApiError& error);
http::Response openai_error_response(const ApiError& error, const std::string& request_id);

/// A response of one JSON value.
http::Response json_response(const io::JsonValue& value, int status = 200);

}  // namespace fathom::serve
