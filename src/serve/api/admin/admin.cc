#include "serve/api/admin/admin.h"

namespace fathom::serve {

ApiResult<void> check_admin(const Call& call) {
  if (call.caller.is_admin) return {};
  return tl::unexpected(ApiError{.status = 403,
                                 .type = "permission_error",
                                 .code = "admin_only",
                                 .message = "this needs a key of an admin"});
}

}  // namespace fathom::serve
