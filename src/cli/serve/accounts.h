#pragma once
// Who may use `fathom serve`, and the signal to read its file again.
#include <signal.h>

#include <memory>
#include <string>

#include "serve/accounts/accounts.h"
#include "serve/accounts/audit/audit_log.h"
#include "serve/config/serve_config.h"

namespace fathom::cli {

/// By the keys of the file or the database; without either everyone is the local user. `model` is
/// the name that rows and prices are by. Throws Error for a database that does not open.
std::unique_ptr<serve::Accounts> make_accounts(const serve::ServeConfig& config,
                                               const std::string& model);

/// null where none is asked for.
std::unique_ptr<serve::AuditLog> make_audit_log(const serve::AccountsConfig& config);

/// Keys and prices of a file that was read again.
void reload_accounts(serve::Accounts& accounts, const serve::ServeConfig& config);

/// While it lives SIGHUP, which else ends the process, asks for the file to be read again.
class ReloadSignal {
 public:
  ReloadSignal();
  ~ReloadSignal();
  ReloadSignal(const ReloadSignal&) = delete;
  ReloadSignal& operator=(const ReloadSignal&) = delete;

  /// Whether one came since the last time.
  bool take();

 private:
  struct sigaction previous_ = {};
};

}  // namespace fathom::cli
