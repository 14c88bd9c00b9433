#include "cli/serve/reload.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/run/run_file.h"
#include "serve/accounts/key_accounts.h"

namespace fathom::cli {
namespace {

std::atomic<bool> g_reload{false};  // a signal handler can reach nothing but globals

extern "C" void on_reload_signal(int) { g_reload.store(true); }

bool holds_at_once(std::string_view key) {
  static constexpr std::array kSections = {std::string_view("keys."), std::string_view("prices.")};
  static constexpr std::array kKeys = {std::string_view("model.aliases"),
                                       std::string_view("server.allowed_origins"),
                                       std::string_view("server.log_level")};
  return std::ranges::any_of(kSections, [&](auto each) { return key.starts_with(each); }) ||
         std::ranges::find(kKeys, key) != kKeys.end();
}

/// Those that were changed in vain.
std::vector<std::string> waiting_keys(serve::ServeConfig& started, serve::ServeConfig& next) {
  std::vector<std::string> keys;
  for (const auto& difference : compare_configs(field_list(started), field_list(next))) {
    if (!holds_at_once(difference.key)) keys.push_back(difference.key);
  }
  return keys;
}

void reload_keys(serve::Accounts& accounts, const serve::ServeConfig& next) {
  if (auto* const by_keys = dynamic_cast<serve::KeyAccounts*>(&accounts)) {
    by_keys->reload(next.keys, next.prices);
  } else if (!next.keys.empty()) {
    log::warn("keys of a server that began without any hold after a restart");
  }
}

}  // namespace

ReloadSignal::ReloadSignal() {
  g_reload.store(false);
  struct sigaction action = {};
  action.sa_handler = on_reload_signal;
  sigaction(SIGHUP, &action, &previous_);
}

ReloadSignal::~ReloadSignal() { sigaction(SIGHUP, &previous_, nullptr); }

bool ReloadSignal::take() { return g_reload.exchange(false); }

void reload(serve::ServeConfig started, serve::ServeConfig next, const Running& running) {
  running.server.reload_certificate();
  reload_keys(running.accounts, next);
  running.model.set_aliases(next.model.aliases);
  running.service.set_allowed_origins(next.server.allowed_origins);
  log::info(
      "keys, prices, aliases, origins, log level and certificate hold as they are now configured");
  const std::vector<std::string> waiting = waiting_keys(started, next);
  if (!waiting.empty()) log::warn("changed, and waits for a restart: {}", fmt::join(waiting, ", "));
  if (!running.is_level_fixed) log::set_level(next.server.log_level);
}

}  // namespace fathom::cli
