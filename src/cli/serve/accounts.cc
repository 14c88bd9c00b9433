#include "cli/serve/accounts.h"

#include <atomic>
#include <chrono>

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

std::unique_ptr<serve::AuditLog> make_audit_log(const serve::AccountsConfig& config) {
  if (config.audit == serve::AuditLevel::kOff) return nullptr;
  return std::make_unique<serve::AuditLog>(serve::AuditOptions{
      .folder = config.audit_folder,
      .level = config.audit,
      .days = config.audit_days,
      .unix_now_s = [] {
        return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
            .count();
      }});
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
