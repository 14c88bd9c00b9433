#pragma once
#include "serve/accounts/books.h"
#include "serve/api/call.h"

namespace fathom::serve {

/// The server's books; 404 where it keeps none.
ApiResult<const Books*> books_of(const Call& call);
/// The same for an admin; 403 for others.
ApiResult<const Books*> admin_books_of(const Call& call);

/// 400 and 404 for what the books refuse, 503 where the database does not answer.
ApiError of_books(const Error& error);

}  // namespace fathom::serve
