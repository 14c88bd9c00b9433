#include "serve/accounts/accounts_config.h"

namespace fathom::serve {

void AccountsConfig::list_fields(FieldList& list) {
  list.add("database", database,
           "usage and created keys: a file of SQLite, or postgresql://... for several servers; "
           "empty: none");
  list.add("cached_weight", cached_weight,
           "what a prompt token found in the cache counts of tokens_per_minute",
           {.min = 0, .max = 1});
  list.add("audit", audit, kAuditLevelNames,
           "what the audit log keeps of each request; content: its words too");
  list.add("audit_folder", audit_folder, "of the audit log: a file a day");
  list.add("audit_days", audit_days, "days that its files are kept", {.min = 1, .max = 36500});
}

void AccountsConfig::check(const std::string& prefix, Problems& problems) const {
  if (audit != AuditLevel::kOff && audit_folder.empty()) {
    problems.invalid(prefix + "audit_folder", "expected a folder for the audit log, found none");
  }
}

}  // namespace fathom::serve
