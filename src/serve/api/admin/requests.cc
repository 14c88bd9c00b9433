// GET /admin/requests: those in flight. DELETE /admin/requests/ID: ends one.
#include <array>
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "serve/api/admin/admin.h"
#include "serve/api/endpoints.h"
#include "serve/api/query.h"

namespace fathom::serve {
namespace {

constexpr i64 kListed = 200;
constexpr i64 kMostListed = 10'000;

double ms(double seconds) { return seconds * 1e3; }

std::optional<i64> parse_count(std::string_view text) {
  i64 value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, fault] = std::from_chars(text.data(), end, value);
  if (fault != std::errc() || stopped != end) return std::nullopt;
  return value;
}

io::JsonObject request_json(const OpenRequestState& state) {
  io::JsonObject object;
  object.set("id", state.number);
  object.set("request_id", state.request_id);
  object.set("key", state.key_name);
  object.set("endpoint", state.facts.endpoint);
  object.set("model", state.facts.model);
  object.set("stream", state.facts.stream);
  object.set("priority", state.facts.priority);
  object.set("phase", phase_name(state.phase));
  object.set("age_ms", ms(state.age_s));
  object.set("queue_ms", ms(state.stats.queue_s));
  object.set("first_token_ms", ms(state.stats.first_token_s));
  object.set("prompt_tokens", state.facts.prompt_tokens);
  object.set("cached_tokens", state.stats.cached_tokens);
  object.set("prefilled_tokens", state.stats.prefilled_tokens);
  object.set("generated_tokens", state.stats.generated_tokens);
  object.set("max_tokens", state.facts.max_tokens);
  return object;
}

}  // namespace

ApiResult<http::Response> list_requests(Call& call) {
  constexpr std::array<std::string_view, 1> kNames = {"limit"};
  if (auto checked = check_admin(call); !checked) return tl::unexpected(checked.error());
  const auto parameters = read_query(call.request.query, kNames);
  if (!parameters) return tl::unexpected(parameters.error());
  i64 limit = kListed;
  if (const auto given = parameters->find("limit"); given != parameters->end()) {
    const auto parsed = parse_count(given->second);
    if (!parsed || *parsed < 0 || *parsed > kMostListed) {
      return tl::unexpected(
          bad_request("value_out_of_range", "limit", "limit: expected 0 to 10000"));
    }
    limit = *parsed;
  }
  std::array<i64, 3> open = {};
  io::JsonArray data;
  for (const OpenRequestState& state : call.operations.requests.states()) {
    ++open[static_cast<size_t>(state.phase)];
    if (std::ssize(data) < limit) data.emplace_back(request_json(state));
  }
  io::JsonObject body, counts;
  for (const RequestPhase phase :
       {RequestPhase::kQueue, RequestPhase::kPrefill, RequestPhase::kDecode}) {
    counts.set(std::string(phase_name(phase)), open[static_cast<size_t>(phase)]);
  }
  body.set("object", "list");
  body.set("open", std::move(counts));
  body.set("data", std::move(data));
  return json_response(std::move(body));
}

ApiResult<http::Response> end_request(Call& call) {
  if (auto checked = check_admin(call); !checked) return tl::unexpected(checked.error());
  const auto number = parse_count(call.rest);
  if (!number || !call.operations.requests.end(*number)) {
    return tl::unexpected(not_found(
        "not_found", "no request that is open has the id " + printable(call.rest.substr(0, 200))));
  }
  log::warn("{} ended the open request {}", call.caller.key_name, *number);
  io::JsonObject body;
  body.set("ended", *number);
  return json_response(std::move(body));
}

}  // namespace fathom::serve
