#include "serve/route/health.h"

#include <fmt/format.h>
#include <pthread.h>

#include "base/clock.h"
#include "io/json.h"

namespace fathom::serve {
namespace {

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

void HealthWatch::look() {
  const std::vector<Word> ready = ask("/ready");
  std::vector<Word> without_key(ready.size());
  if (settings_.servers_want_keys) without_key = ask("/v1/models");
  for (i64 s = 0; s < servers_.size(); ++s) {
    judge(s, ready[static_cast<size_t>(s)], without_key[static_cast<size_t>(s)]);
  }
}

std::vector<HealthWatch::Word> HealthWatch::ask(const std::string& target) {
  std::vector<std::shared_ptr<http::Exchange>> exchanges;
  std::vector<Word> words(static_cast<size_t>(servers_.size()));
  for (i64 s = 0; s < servers_.size(); ++s) {
    exchanges.push_back(client_.send(servers_.address(s), {.target = target}));
    exchanges.back()->on_news([this] {
      {
        const std::lock_guard lock(mutex_);
        ++news_;
      }
      changed_.notify_all();
    });
  }
  const Clock::time_point begin = Clock::now();
  std::vector<bool> done(words.size(), false);
  while (true) {
    std::unique_lock lock(mutex_);
    const u64 seen = news_;
    lock.unlock();
    for (size_t s = 0; s < words.size(); ++s) {
      if (done[s]) continue;
      const auto state = exchanges[s]->pull(words[s].text);
      done[s] = state != http::Exchange::State::kMore;
      if (state == http::Exchange::State::kEnded) words[s].status = exchanges[s]->head()->status;
      if (state == http::Exchange::State::kFailed) words[s].text = exchanges[s]->problem();
    }
    const double left_s = settings_.health_timeout_s - seconds_since(begin);
    if (left_s <= 0 || std::ranges::find(done, false) == done.end()) break;
    lock.lock();
    changed_.wait_for(lock, std::chrono::duration<double>(left_s),
                      [&] { return stopping_ || news_ != seen; });
    if (stopping_) break;
  }
  for (const auto& exchange : exchanges) exchange->on_news({});
  return words;
}

void HealthWatch::judge(i64 server, const Word& ready, const Word& without_key) {
  i64& silent = silent_looks_[static_cast<size_t>(server)];
  if (ready.status == 0) {
    const bool is_lost = ++silent >= settings_.lost_after;
    return servers_.set_state(server, is_lost ? ServerState::kLost : ServerState::kAway,
                              ready.text.empty() ? "it does not answer" : ready.text);
  }
  silent = 0;
  if (ready.status != 200) {
    const std::string status = status_of_health(ready.text);
    return servers_.set_state(server, status == "stalled" ? ServerState::kLost : ServerState::kAway,
                              status);
  }
  if (settings_.servers_want_keys && without_key.status != 401) {
    if (without_key.status == 0) return;  // the next look will tell
    return servers_.set_state(server, ServerState::kAway,
                              fmt::format("it answers {} to a request without a key, where "
                                          "route.servers_want_keys promises 401",
                                          without_key.status));
  }
  servers_.set_state(server, ServerState::kReady, "it says so");
}

}  // namespace fathom::serve
