#include "serve/route/health.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>

#include "base/clock.h"
#include "io/json.h"
#include "serve/http/server.h"

namespace fathom::serve {
namespace {

/// It has as many connections as it takes from here, and most of them are ours.
bool is_full(const std::string& body) {
  return body.find(http::kTooManyConnections) != std::string::npos;
}

/// Of {"status": "draining"}.
std::string status_of_health(const std::string& body) {
  const auto json = io::parse_json(body, "the answer to /ready");
  const io::JsonValue* const status = json ? json->find("status") : nullptr;
  return status != nullptr && status->is_string() ? status->as_string() : "not ready";
}

}  // namespace

HealthWatch::HealthWatch(Servers& servers, http::Client& client, const RouteSection& settings)
    : servers_(servers),
      client_(client),
      settings_(settings),
      silent_looks_(static_cast<size_t>(servers.size()), 0),
      thread_([this] { run(); }) {}

HealthWatch::~HealthWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void HealthWatch::run() {
  ::pthread_setname_np(::pthread_self(), "health");
  while (true) {
    look();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::duration<double>(settings_.health_every_s),
                      [&] { return stopping_; });
    if (stopping_) return;
  }
}

HealthWatch::Look HealthWatch::begin(i64 server) {
  Look look;
  std::vector<std::string> targets = {"/ready"};
  if (settings_.servers_want_keys) targets.emplace_back("/v1/models");
  for (const std::string& target : targets) {
    auto exchange = client_.send(servers_.address(server), {.target = target});
    exchange->on_news([this] {
      {
        const std::lock_guard lock(mutex_);
        ++news_;
      }
      changed_.notify_all();
    });
    look.exchanges.push_back(std::move(exchange));
  }
  look.words.resize(2);
  look.done.resize(targets.size(), false);
  return look;
}

/// True: all has come.
bool HealthWatch::advance(Look& look) {
  using State = http::Exchange::State;
  for (size_t e = 0; e < look.exchanges.size(); ++e) {
    if (look.done[e]) continue;
    const http::Exchange& exchange = *look.exchanges[e];
    Word& word = look.words[e];
    const State state = look.exchanges[e]->pull(word.text);
    look.done[e] = state != State::kMore;
    if (state == State::kEnded) word.status = exchange.head()->status;
    if (state != State::kFailed) continue;
    word.text = exchange.problem();
    const auto progress = exchange.progress();
    word.is_closed = progress == http::Exchange::Progress::kConnected ||
                     progress == http::Exchange::Progress::kSent;
  }
  return std::ranges::find(look.done, false) == look.done.end();
}

/// Each is judged as its own answer comes.
void HealthWatch::look() {
  std::vector<Look> looks;
  for (i64 s = 0; s < servers_.size(); ++s) looks.push_back(begin(s));
  const Clock::time_point begun = Clock::now();
  i64 judged = 0;
  while (judged < servers_.size()) {
    std::unique_lock lock(mutex_);
    const u64 seen = news_;
    if (stopping_) break;
    lock.unlock();
    const double left_s = settings_.health_timeout_s - seconds_since(begun);
    for (i64 s = 0; s < servers_.size(); ++s) {
      Look& each = looks[static_cast<size_t>(s)];
      if (each.is_judged || (!advance(each) && left_s > 0)) continue;
      judge(s, each.words[0], each.words[1]);
      each.is_judged = true;
      ++judged;
    }
    lock.lock();
    if (judged < servers_.size()) {
      changed_.wait_for(lock, std::chrono::duration<double>(std::max(left_s, 0.0)),
                        [&] { return stopping_ || news_ != seen; });
    }
  }
  for (const Look& each : looks) {
    for (const auto& exchange : each.exchanges) exchange->on_news({});
  }
}

void HealthWatch::judge(i64 server, const Word& ready, const Word& without_key) {
  i64& silent = silent_looks_[static_cast<size_t>(server)];
  if (ready.is_closed) {
    silent = 0;
    return servers_.set_state(server, ServerState::kAway, ready.text);
  }
  if (ready.status == 0) {
    const bool is_lost = ++silent >= settings_.lost_after;
    return servers_.set_state(server, is_lost ? ServerState::kLost : ServerState::kAway,
                              ready.text.empty() ? "it does not answer" : ready.text);
  }
  silent = 0;
  if (ready.status == 503 && is_full(ready.text)) return;  // no news of how it is
  if (ready.status != 200) {
    const std::string status = status_of_health(ready.text);
    return servers_.set_state(server, status == "stalled" ? ServerState::kLost : ServerState::kAway,
                              status);
  }
  if (settings_.servers_want_keys && without_key.status != 401) {
    if (without_key.status == 0 || is_full(without_key.text)) {  // the next look will tell
      if (servers_.counts(server).state == ServerState::kReady) return;
      return servers_.set_state(server, ServerState::kAway,
                                "it does not answer a request without a key");
    }
    return servers_.set_state(server, ServerState::kAway,
                              fmt::format("it answers {} to a request without a key, where "
                                          "route.servers_want_keys promises 401",
                                          without_key.status));
  }
  servers_.set_state(server, ServerState::kReady, "it says so");
}

}  // namespace fathom::serve
