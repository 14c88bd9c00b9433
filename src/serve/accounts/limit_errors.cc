#include "serve/accounts/limit_errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fathom::serve {
namespace {

ApiError too_many(std::string code, std::string message) {
  return {.status = 429,
          .type = "rate_limit_error",
          .code = std::move(code),
          .message = std::move(message)};
}

/// Trying again within the period would fail again, and SDKs would.
ApiError quota_error(const Refusal& refusal, const KeySettings& settings, double now_s) {
  const bool is_budget = refusal.kind == Refusal::Kind::kBudget;
  const auto text = [is_budget](i64 amount) {
    return is_budget ? money_text(amount) : fmt::format("{} tokens", amount);
  };
  ApiError error = too_many(
      "insufficient_quota",
      fmt::format("the {} of this key for a {} is {}: {} are used, and this request may take {}; "
                  "the next {} begins at {}",
                  is_budget ? "budget" : "quota", period_name(settings.period), text(refusal.limit),
                  text(refusal.used), text(refusal.asked), period_name(settings.period),
                  utc_time(static_cast<i64>(now_s + refusal.wait_s))));
  error.type = "insufficient_quota";
  error.headers.push_back({"x-should-retry", "false"});
  return error;
}

ApiError rate_error(const Refusal& refusal) {
  std::string message;
  switch (refusal.kind) {
    case Refusal::Kind::kParallel:
      message =
          fmt::format("this key may have {} requests running at once, and has", refusal.limit);
      break;
    case Refusal::Kind::kRequests:
      message =
          fmt::format("this key may send {} requests a minute; one more can be sent in {:.1f} s",
                      refusal.limit, refusal.wait_s);
      break;
    default:
      message = fmt::format(
          "this key may use {} tokens a minute: {} are used or held back, and this request may "
          "take {}; "
          "there is room for it in {:.1f} s",
          refusal.limit, refusal.used, refusal.asked, refusal.wait_s);
  }
  ApiError error = too_many("rate_limit_exceeded", std::move(message));
  const double seconds = std::max(1.0, std::ceil(refusal.wait_s));
  error.headers.push_back({"Retry-After", fmt::format("{:.0f}", seconds)});
  error.headers.push_back(
      {"retry-after-ms", fmt::format("{:.0f}", std::ceil(refusal.wait_s * 1e3))});
  return error;
}

void add_headers(const char* what, const LimitsLeft::Rate& rate, double now_s,
                 std::vector<http::Header>& headers) {
  if (rate.limit == 0) return;
  const std::string limit = fmt::format("{}", rate.limit);
  const std::string remaining = fmt::format("{}", rate.remaining);
  headers.push_back({fmt::format("x-ratelimit-limit-{}", what), limit});
  headers.push_back({fmt::format("x-ratelimit-remaining-{}", what), remaining});
  headers.push_back(
      {fmt::format("x-ratelimit-reset-{}", what), fmt::format("{:.3f}s", rate.full_in_s)});
  headers.push_back({fmt::format("anthropic-ratelimit-{}-limit", what), limit});
  headers.push_back({fmt::format("anthropic-ratelimit-{}-remaining", what), remaining});
  headers.push_back({fmt::format("anthropic-ratelimit-{}-reset", what),
                     utc_time(static_cast<i64>(std::ceil(now_s + rate.full_in_s)))});
}

}  // namespace

std::vector<http::Header> limit_headers(const LimitsLeft& left, double now_s) {
  std::vector<http::Header> headers;
  add_headers("requests", left.requests, now_s, headers);
  add_headers("tokens", left.tokens, now_s, headers);
  return headers;
}

ApiError limit_error(const Refusal& refusal, const KeySettings& settings, const LimitsLeft& left,
                     double now_s) {
  const bool is_of_period =
      refusal.kind == Refusal::Kind::kQuota || refusal.kind == Refusal::Kind::kBudget;
  ApiError error = is_of_period ? quota_error(refusal, settings, now_s) : rate_error(refusal);
  const std::vector<http::Header> headers = limit_headers(left, now_s);
  error.headers.insert(error.headers.end(), headers.begin(), headers.end());
  return error;
}

}  // namespace fathom::serve
