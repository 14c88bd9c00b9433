#pragma once
#include "io/json.h"
#include "serve/accounts/keys/key.h"

namespace fathom::serve {

/// Everything but the digest. Times are seconds since 1970, 0 for never; money is text.
io::JsonObject key_json(const Key& key);

}  // namespace fathom::serve
