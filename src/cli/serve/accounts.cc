#include "cli/serve/accounts.h"

#include <atomic>

#include "base/log.h"
#include "serve/accounts/key_accounts.h"

namespace fathom::cli {
namespace {

std::atomic<bool> g_reload{false};  // a signal handler can reach nothing but globals

extern "C" void on_reload_signal(int) { g_reload.store(true); }

}  // namespace

std::unique_ptr<serve::Accounts> make_accounts(const serve::ServeConfig& config,
                                               const std::string& model) {
  if (config.keys.empty() && config.accounts.database.empty()) {
    return std::make_unique<serve::LocalUser>();
  }
  return std::make_unique<serve::KeyAccounts>(serve::KeyAccountsOptions{
      .accounts = config.accounts, .keys = config.keys, .prices = config.prices, .model = model});
}

void reload_accounts(serve::Accounts& accounts, const serve::ServeConfig& config) {
  auto* const by_keys = dynamic_cast<serve::KeyAccounts*>(&accounts);
  if (by_keys == nullptr) {
    log::warn("keys of a server that began without any hold after a restart");
    return;
  }
  by_keys->reload(config.keys, config.prices);
}

ReloadSignal::ReloadSignal() {
  g_reload.store(false);
  struct sigaction action = {};
  action.sa_handler = on_reload_signal;
  sigaction(SIGHUP, &action, &previous_);
}

ReloadSignal::~ReloadSignal() { sigaction(SIGHUP, &previous_, nullptr); }

bool ReloadSignal::take() { return g_reload.exchange(false); }

}  // namespace fathom::cli
