#include "serve/api/endpoints.h"

#include <array>

#include "serve/api/messages/anthropic_error.h"

namespace fathom::serve {
namespace {

constexpr Endpoint for_operators(std::string_view method, std::string_view path,
                                 EndpointFunction run) {
  return {.method = method, .path = path, .run = run, .is_for_operators = true};
}

constexpr Endpoint quick_for_operators(std::string_view method, std::string_view path,
                                       EndpointFunction run) {
  Endpoint endpoint = for_operators(method, path, run);
  endpoint.is_quick = true;
  return endpoint;
}

}  // namespace

std::span<const Endpoint> endpoints() {
  static constexpr std::array kEndpoints = {
      Endpoint{"POST", "/chat/completions", chat_completions},
      Endpoint{"POST", "/completions", completions},
      Endpoint{"POST", "/messages", create_message, false, anthropic_error_response},
      Endpoint{"POST", "/messages/count_tokens", count_message_tokens, false,
               anthropic_error_response},
      Endpoint{"POST", "/responses", create_response},
      Endpoint{"GET", "/models", list_models, true},
      Endpoint{"GET", "/models/", show_model, true},
      Endpoint{"POST", "/tokenize", tokenize},
      Endpoint{"POST", "/detokenize", detokenize},
      Endpoint{"GET", "/tokenizer_info", tokenizer_info, true},
      Endpoint{"POST", "/apply-template", apply_template},
      Endpoint{"GET", "/capabilities", capabilities, true},
      Endpoint{"POST", "/embeddings", no_embeddings, true},
      Endpoint{"GET", "/usage", own_usage},
      for_operators("GET", "/admin/usage", all_usage),
      for_operators("GET", "/admin/keys", list_keys),
      for_operators("POST", "/admin/keys", add_key),
      for_operators("DELETE", "/admin/keys/", revoke_key),
      quick_for_operators("GET", "/admin/status", show_status),
      quick_for_operators("GET", "/admin/history", show_history),
      quick_for_operators("GET", "/admin/requests", list_requests),
      quick_for_operators("DELETE", "/admin/requests/", end_request),
  };
  return kEndpoints;
}

std::string_view plain_path(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  for (const std::string_view prefix :
       {std::string_view("/anthropic"), std::string_view("/beta"), std::string_view("/v1")}) {
    const bool is_whole = path.size() > prefix.size() && path[prefix.size()] == '/';
    if (path.starts_with(prefix) && is_whole) path.remove_prefix(prefix.size());
  }
  return path;
}

}  // namespace fathom::serve
