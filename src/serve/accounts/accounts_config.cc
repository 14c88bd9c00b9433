#include "serve/accounts/accounts_config.h"

namespace fathom::serve {

void AccountsConfig::list_fields(FieldList& list) {
  list.add("database", database,
           "usage and created keys: a file of SQLite, or postgresql://... for several servers; "
           "empty: none");
  list.add("cached_weight", cached_weight,
           "what a prompt token found in the cache counts of tokens_per_minute",
           {.min = 0, .max = 1});
}

}  // namespace fathom::serve
