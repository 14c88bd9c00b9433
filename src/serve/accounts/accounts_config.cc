#include "serve/accounts/accounts_config.h"

namespace fathom::serve {

void AccountsConfig::list_fields(FieldList& list) {
  list.add("database", database,
           "usage and created keys: a file of SQLite, or postgresql://... for several servers; "
           "empty: none");
  list.add("cached_weight", cached_weight,
           "what a prompt token found in the cache counts of tokens_per_minute",
           {.min = 0, .max = 1});
  list.add("audit_log", audit_log,
           "folder for a line of JSON on each request, without its words; empty: none");
  list.add("audit_days", audit_days, "days that the audit log is kept", {.min = 1, .max = 36500});
}

}  // namespace fathom::serve
