#include "cli/accounts/database_option.h"

#include <cstdlib>

#include "base/error.h"
#include "config/run/run_file.h"
#include "serve/config/serve_config.h"

namespace fathom::cli {
namespace {

constexpr const char* kVariable = "FATHOM_SERVE_ACCOUNTS_DATABASE";

std::string address_of(const DatabaseOption& option) {
  if (!option.database.empty()) return option.database;
  if (!option.config.empty()) {
    serve::ServeConfig config;
    value_or_throw(read_run_file(option.config, {}, field_list(config)));
    if (!config.accounts.database.empty()) return config.accounts.database;
    throw Error(ErrorCode::kInvalidInput, option.config +
                                              ": accounts.database: expected a file or "
                                              "a postgresql:// address, found none");
  }
  if (const char* const variable = std::getenv(kVariable)) return variable;
  throw Error(ErrorCode::kInvalidInput,
              std::string("no database: expected --database, --config or ") + kVariable);
}

}  // namespace

void add_database_option(Arguments& command, DatabaseOption& option) {
  Option database = command.add_option("--database", option.database,
                                       "The server's database: a file, or postgresql://...");
  database.type_name("PATH");
  command.add_option("--config", option.config, "The server's file, whose accounts.database it is")
      .type_name("FILE")
      .excludes(database);
}

serve::Books open_books(const DatabaseOption& option) { return serve::Books(address_of(option)); }

}  // namespace fathom::cli
