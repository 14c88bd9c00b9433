#pragma once
// Limits in the words of HTTP.
#include <vector>

#include "serve/accounts/limits/limits.h"
#include "serve/api/error.h"
#include "serve/http/request.h"

namespace fathom::serve {

/// x-ratelimit-... of the rates that there are, in Anthropic's words too.
std::vector<http::Header> limit_headers(const LimitsLeft& left, double now_s);

/// 429: rate_limit_exceeded with Retry-After, or insufficient_quota that says not to try again.
ApiError limit_error(const Refusal& refusal, const KeySettings& settings, const LimitsLeft& left,
                     double now_s);

}  // namespace fathom::serve
