#include "serve/api/accounts/books_of.h"

#include "base/log.h"
#include "serve/api/admin/admin.h"

namespace fathom::serve {
namespace {

constexpr double kDatabaseRetryS = 5;

}  // namespace

ApiResult<const Books*> books_of(const Call& call) {
  if (const Books* const books = call.accounts.books()) return books;
  return tl::unexpected(not_found(
      "not_found", "this server keeps no usage: its configuration names no accounts.database"));
}

ApiResult<const Books*> admin_books_of(const Call& call) {
  if (auto checked = check_admin(call); !checked) return tl::unexpected(checked.error());
  return books_of(call);
}

ApiError of_books(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kInvalidInput:
      return bad_request("invalid_request", "", error.message());
    case ErrorCode::kNotFound:
      return not_found("not_found", error.message());
    default:
      log::error("{}", error.message());  // addresses of databases are not for clients
      return overloaded("database_unavailable", "the database of accounts does not answer",
                        kDatabaseRetryS);
  }
}

}  // namespace fathom::serve
