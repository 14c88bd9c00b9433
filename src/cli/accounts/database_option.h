#pragma once
// Where the commands about keys and usage find the server's database.
#include <string>

#include "cli/arguments/arguments.h"
#include "serve/accounts/books.h"

namespace fathom::cli {

struct DatabaseOption {
  std::string database, config;
};

/// --database, --config; one of them is needed, or FATHOM_DATABASE.
void add_database_option(Arguments& command, DatabaseOption& option);

/// Throws Error if none is named.
serve::Books open_books(const DatabaseOption& option);

}  // namespace fathom::cli
