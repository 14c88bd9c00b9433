#include "cli/accounts/database_option.h"

#include <cstdlib>

#include "base/error.h"

namespace fathom::cli {
namespace {

constexpr const char* kVariable = "FATHOM_SERVE_ACCOUNTS_DATABASE";

}  // namespace

void add_database_option(Arguments& command, std::string& database) {
  command
      .add_option(
          "--database", database,
          std::string("The server's database: a file, or postgresql://...; default: ") + kVariable)
      .type_name("PATH");
}

serve::Books open_books(const std::string& database) {
  if (!database.empty()) return serve::Books(database);
  if (const char* const variable = std::getenv(kVariable)) return serve::Books(variable);
  throw Error(ErrorCode::kInvalidInput,
              std::string("no database: expected --database or ") + kVariable);
}

}  // namespace fathom::cli
