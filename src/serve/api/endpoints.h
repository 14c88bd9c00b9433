#pragma once
// All endpoints, by path and verb.
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "serve/api/call.h"

namespace fathom::serve {

using EndpointFunction = ApiResult<http::Response> (*)(Call& call);
using ErrorWriter = http::Response (*)(const ApiError& error, const std::string& request_id);

struct Endpoint {
  std::string_view method;
  std::string_view path;  // without /v1; one that ends in "/" takes what follows
  EndpointFunction run;   // may take its time, on a worker thread
  bool is_quick = false;  // or does not: on the HTTP thread
  ErrorWriter write_error = openai_error_response;  // in the words of its dialect
  bool is_for_operators = false;                    // answered while the server goes down, too
};

std::span<const Endpoint> endpoints();

/// Of a request's path: without /v1, /beta, /anthropic and a slash at the end.
std::string_view plain_path(std::string_view path);

ApiResult<http::Response> chat_completions(Call& call);
ApiResult<http::Response> completions(Call& call);
ApiResult<http::Response> create_message(Call& call);
ApiResult<http::Response> count_message_tokens(Call& call);
ApiResult<http::Response> create_response(Call& call);
ApiResult<http::Response> list_models(Call& call);
ApiResult<http::Response> show_model(Call& call);
ApiResult<http::Response> tokenize(Call& call);
ApiResult<http::Response> detokenize(Call& call);
ApiResult<http::Response> tokenizer_info(Call& call);
ApiResult<http::Response> apply_template(Call& call);
ApiResult<http::Response> capabilities(Call& call);
ApiResult<http::Response> no_embeddings(Call& call);
ApiResult<http::Response> own_usage(Call& call);
ApiResult<http::Response> all_usage(Call& call);
ApiResult<http::Response> list_keys(Call& call);
ApiResult<http::Response> add_key(Call& call);
ApiResult<http::Response> revoke_key(Call& call);
ApiResult<http::Response> show_status(Call& call);
ApiResult<http::Response> show_history(Call& call);
ApiResult<http::Response> list_requests(Call& call);
ApiResult<http::Response> end_request(Call& call);

}  // namespace fathom::serve
