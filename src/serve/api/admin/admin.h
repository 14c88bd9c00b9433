#pragma once
#include "serve/api/call.h"

namespace fathom::serve {

/// 403 for those who may not look at what others do.
ApiResult<void> check_admin(const Call& call);

}  // namespace fathom::serve
