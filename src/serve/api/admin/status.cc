// GET /admin/status: the server now. GET /admin/history: its last hour.
#include <array>
#include <charconv>

#include "serve/api/admin/admin.h"
#include "serve/api/endpoints.h"
#include "serve/api/query.h"

namespace fathom::serve {
namespace {

io::JsonObject counts_json(const std::map<std::string, i64>& counts) {
  io::JsonObject object;
  for (const auto& [name, count] : counts) object.set(name, count);
  return object;
}

io::JsonObject engine_json(const engine::Engine& engine, const engine::EngineCounters& counters) {
  io::JsonObject object;
  object.set("context_tokens", engine.context_tokens());
  object.set("drafts", engine.drafts());
  object.set("running", engine.num_running());
  object.set("waiting", engine.num_waiting());
  object.set("stalled_s", engine.stalled_s());
  object.set("steps", static_cast<i64>(counters.steps));
  object.set("preemptions", static_cast<i64>(counters.preemptions));
  object.set("ranks", counters.experts.ranks);
  return object;
}

io::JsonObject cache_json(const engine::Engine& engine, const engine::EngineCounters& counters) {
  io::JsonObject object;
  object.set("pages", engine.num_pages());
  object.set("free_pages", engine.num_free_pages());
  object.set("cached_pages", engine.num_cached_pages());
  object.set("queries", static_cast<i64>(counters.cache_queries));
  object.set("cached_tokens", static_cast<i64>(counters.cached_tokens));
  object.set("disk_bytes", counters.disk.size_bytes);
  object.set("disk_pages_read", counters.disk.pages_read);
  object.set("disk_files_damaged", counters.disk.damaged);
  return object;
}

/// Seconds since 1970; nullopt: no number, or none that is finite and not negative.
std::optional<double> parse_seconds(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, fault] = std::from_chars(text.data(), end, value);
  if (fault != std::errc() || stopped != end || !(value >= 0 && value < 1e12)) return std::nullopt;
  return value;
}

/// A column a name: arrays of equal length.
io::JsonObject samples_json(const std::vector<Sample>& samples) {
  io::JsonObject object;
  const auto column = [&](std::string_view name, const auto& value) {
    io::JsonArray values;
    for (const Sample& sample : samples) values.emplace_back(value(sample));
    object.set(std::string(name), std::move(values));
  };
  column("end_s", [](const Sample& sample) { return sample.end_s; });
  column("seconds", [](const Sample& sample) { return sample.seconds; });
  for (const auto& [name, member] : kActivityColumns) {
    column(name, [member = member](const Sample& sample) { return sample.activity.*member; });
  }
  column("running", [](const Sample& sample) { return sample.load.running; });
  column("waiting", [](const Sample& sample) { return sample.load.waiting; });
  column("cache_share", [](const Sample& sample) { return sample.load.cache_share; });
  return object;
}

}  // namespace

ApiResult<http::Response> show_status(Call& call) {
  if (auto checked = check_admin(call); !checked) return tl::unexpected(checked.error());
  const engine::Engine& engine = call.model.engine;
  const engine::EngineCounters counters = engine.counters();
  const Outcomes outcomes = call.operations.metrics.outcomes();
  io::JsonObject body, totals;
  body.set("model", call.model.name);
  body.set("fingerprint", call.model.fingerprint);
  body.set("started_s", call.operations.started_s);
  body.set("now_s", unix_now_s());
  body.set("draining", call.operations.draining.load());
  body.set("stalled", engine.stalled_s() > call.operations.stalled_after_s);
  body.set("has_keys", call.accounts.has_keys());
  body.set("keeps_usage", call.accounts.books() != nullptr);
  body.set("engine", engine_json(engine, counters));
  body.set("cache", cache_json(engine, counters));
  const Activity activity = activity_of(engine, call.operations.metrics);
  for (const auto& [name, member] : kActivityColumns) {
    totals.set(std::string(name), activity.*member);
  }
  body.set("totals", std::move(totals));
  body.set("finished_by_reason", counts_json(outcomes.finished));
  body.set("failed_by_code", counts_json(outcomes.failed));
  body.set("refused_by_reason", counts_json(outcomes.refused));
  body.set("cancelled_by_phase", counts_json(outcomes.cancelled));
  return json_response(std::move(body));
}

ApiResult<http::Response> show_history(Call& call) {
  constexpr std::array<std::string_view, 1> kNames = {"after"};
  if (auto checked = check_admin(call); !checked) return tl::unexpected(checked.error());
  const auto parameters = read_query(call.request.query, kNames);
  if (!parameters) return tl::unexpected(parameters.error());
  double after_s = 0;
  if (const auto given = parameters->find("after"); given != parameters->end()) {
    const auto parsed = parse_seconds(given->second);
    if (!parsed) {
      return tl::unexpected(bad_request(
          "invalid_type", "after", "after: expected seconds since 1970, such as 1764460800.5"));
    }
    after_s = *parsed;
  }
  return json_response(samples_json(call.operations.history.samples(after_s)));
}

}  // namespace fathom::serve
