#include "serve/route/servers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "serve/metrics/text_format.h"

namespace fathom::serve {
namespace {

/// More than any server has: it is not to be chosen.
constexpr i64 kNotToBeChosen = i64{1} << 40;

std::vector<http::ServerAddress> addresses_of(const std::vector<std::string>& urls) {
  std::vector<http::ServerAddress> addresses;
  for (const std::string& url : urls) {
    auto address = http::parse_server_url(url);
    if (!address) throw Error(ErrorCode::kInvalidInput, "route.servers: " + url);
    addresses.push_back(std::move(*address));
  }
  return addresses;
}

}  // namespace

std::string_view name(ServerState state) {
  switch (state) {
    case ServerState::kReady:
      return "ready";
    case ServerState::kAway:
      return "away";
    case ServerState::kLost:
      break;
  }
  return "lost";
}

Servers::Place::Place(Place&& other) noexcept
    : servers_(std::exchange(other.servers_, nullptr)), server_(other.server_), id_(other.id_) {}

Servers::Place::~Place() {
  if (servers_ != nullptr) servers_->give_back(server_, id_);
}

void Servers::Place::carries(const std::shared_ptr<http::Exchange>& exchange) {
  bool is_lost = false;
  {
    const Lock lock(servers_->mutex_);
    Server& server = servers_->servers_[static_cast<size_t>(server_)];
    server.flights[id_] = exchange;
    is_lost = server.counts.state == ServerState::kLost;  // since take()
  }
  if (is_lost) exchange->cancel(servers_->address(server_).authority() + " is lost");
}

Servers::Servers(const RouteSection& settings)
    : addresses_(addresses_of(settings.servers)),
      choice_(settings.choice),
      prefix_options_{.patience = settings.patience},
      servers_(addresses_.size()),
      router_(std::ssize(addresses_), prefix_options_) {}

std::optional<i64> Servers::choose(std::span<const u64> keys, std::span<const i64> tried) {
  std::vector<i64> loads;
  for (i64 s = 0; s < size(); ++s) {
    const Server& server = servers_[static_cast<size_t>(s)];
    const bool may_be =
        server.counts.state == ServerState::kReady && std::ranges::find(tried, s) == tried.end();
    loads.push_back(may_be ? std::ssize(server.flights) : kNotToBeChosen);
  }
  if (std::ranges::min(loads) == kNotToBeChosen) return std::nullopt;
  if (choice_ == RouteChoice::kPrefix) return router_.choose(keys, loads);
  while (loads[static_cast<size_t>(next_turn_ % size())] == kNotToBeChosen) ++next_turn_;
  return next_turn_++ % size();
}

std::optional<Servers::Place> Servers::take(const PromptWords& prompt, std::span<const i64> tried) {
  const std::vector<u64> keys =
      engine::prefix_keys(prompt.tenant, prompt.salt, prompt.words, prefix_options_.step_tokens);
  const Lock lock(mutex_);
  const auto chosen = choose(keys, tried);
  if (!chosen) return std::nullopt;
  if (!tried.empty()) ++retries_;
  Server& server = servers_[static_cast<size_t>(*chosen)];
  ++server.counts.requests;
  server.flights.try_emplace(++ids_);
  return std::optional<Place>(std::in_place, *this, *chosen, ids_);
}

void Servers::give_back(i64 server, u64 id) {
  const Lock lock(mutex_);
  servers_[static_cast<size_t>(server)].flights.erase(id);
}

bool Servers::any_ready() const {
  const Lock lock(mutex_);
  return std::ranges::any_of(
      servers_, [](const Server& each) { return each.counts.state == ServerState::kReady; });
}

/// Before it is ready.
void Servers::level(i64 server) {
  std::vector<i64> ready;
  for (i64 s = 0; s < size(); ++s) {
    if (servers_[static_cast<size_t>(s)].counts.state == ServerState::kReady) ready.push_back(s);
  }
  router_.level(server, ready);
}

void Servers::set_state(i64 server, ServerState state, std::string_view why) {
  std::vector<std::shared_ptr<http::Exchange>> lost;
  bool is_new = false;
  {
    const Lock lock(mutex_);
    Server& each = servers_[static_cast<size_t>(server)];
    if (each.counts.state == state && each.why == why) return;
    is_new = each.counts.state != state;
    if (is_new && state == ServerState::kReady) level(server);
    each.counts.state = state;
    each.why = why;
    for (const auto& [id, flight] : each.flights) {
      auto exchange = is_new && state == ServerState::kLost ? flight.lock() : nullptr;
      if (exchange) lost.push_back(std::move(exchange));
    }
  }
  const std::string authority = address(server).authority();
  if (state == ServerState::kReady) {
    log::info("server {} is ready: {}", authority, why);
  } else {
    log::warn("server {} is {}: {}", authority, name(state), why);
  }
  for (const auto& exchange : lost) exchange->cancel(authority + " is lost");
}

void Servers::failed(i64 server, std::string_view problem, bool is_silent) {
  bool is_ready = false;
  {
    const Lock lock(mutex_);
    ServerCounts& counts = servers_[static_cast<size_t>(server)].counts;
    ++counts.failures;
    is_ready = counts.state == ServerState::kReady;
  }
  if (is_ready && is_silent) set_state(server, ServerState::kAway, problem);
}

void Servers::count_broken(i64 server) {
  const Lock lock(mutex_);
  ++servers_[static_cast<size_t>(server)].counts.broken;
}

void Servers::count_refusal(i64 server) {
  const Lock lock(mutex_);
  ++servers_[static_cast<size_t>(server)].counts.refusals;
}

ServerCounts Servers::counts(i64 server) const {
  const Lock lock(mutex_);
  const Server& each = servers_[static_cast<size_t>(server)];
  ServerCounts counts = each.counts;
  counts.in_flight = std::ssize(each.flights);
  return counts;
}

std::string Servers::metrics_text() const {
  std::string out;
  std::vector<ServerCounts> all;
  for (i64 s = 0; s < size(); ++s) all.push_back(counts(s));
  const auto write = [&](std::string_view metric, std::string_view kind, std::string_view help,
                         auto value) {
    write_help(metric, kind, help, out);
    for (i64 s = 0; s < size(); ++s) {
      out += fmt::format("fathom_{}{{server=\"{}\"}} {}\n", metric,
                         label_text(address(s).authority()), value(all[static_cast<size_t>(s)]));
    }
  };
  write("route_server_ready", "gauge", "1: takes requests.",
        [](const ServerCounts& c) { return c.state == ServerState::kReady ? 1 : 0; });
  write("route_requests_in_flight", "gauge", "Requests that it has.",
        [](const ServerCounts& c) { return c.in_flight; });
  write("route_requests_total", "counter", "Requests that were sent to it.",
        [](const ServerCounts& c) { return c.requests; });
  write("route_failures_total", "counter", "Of these, not answered, or in part.",
        [](const ServerCounts& c) { return c.failures; });
  write("route_broken_total", "counter", "Of those, answers of which clients have a part.",
        [](const ServerCounts& c) { return c.broken; });
  write("route_refusals_total", "counter", "Requests that it had no room for.",
        [](const ServerCounts& c) { return c.refusals; });
  const auto total = [&](std::string_view metric, std::string_view help, i64 value) {
    write_help(metric, "counter", help, out);
    out += fmt::format("fathom_{} {}\n", metric, value);
  };
  const Lock lock(mutex_);
  total("route_retries_total", "Requests that another server was asked for.", retries_);
  total("route_prompt_steps_total", "Steps of 128 bytes of prompts.", router_.all_steps());
  total("route_known_steps_total", "Of these, known at the server that was chosen.",
        router_.known_steps());
  return out;
}

}  // namespace fathom::serve
