#pragma once
// Who may use `fathom serve`.
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

}  // namespace fathom::cli
