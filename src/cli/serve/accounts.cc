#include "cli/serve/accounts.h"

#include <chrono>

#include "serve/accounts/key_accounts.h"

namespace fathom::cli {
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

}  // namespace fathom::cli
