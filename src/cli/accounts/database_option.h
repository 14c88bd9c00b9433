#pragma once
// Where the commands about keys and usage find the server's database.
#include <string>

#include "cli/arguments/arguments.h"
#include "serve/accounts/books.h"

namespace fathom::cli {

/// --database, and the variable of the server's setting.
void add_database_option(Arguments& command, std::string& database);

/// Throws Error if none is named.
serve::Books open_books(const std::string& database);

}  // namespace fathom::cli
