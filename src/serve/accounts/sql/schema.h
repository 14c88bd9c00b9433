#pragma once
#include "serve/accounts/sql/sql.h"

namespace fathom::serve {

/// Makes the tables of an empty database (docs/file-formats.md says what they hold). Throws Error
/// for one that a later fathom made.
void require_schema(Sql& sql, const std::string& where);

}  // namespace fathom::serve
