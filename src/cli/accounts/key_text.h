#pragma once
// Keys as the commands print them.
#include <span>
#include <string>

#include "base/types.h"
#include "serve/accounts/keys/key.h"

namespace fathom::cli {

/// The table [keys.NAME] of the server's file.
std::string key_toml(const std::string& name, const serve::KeyConfig& config);

/// A line each: name, beginning, state, limits.
std::string key_table(std::span<const serve::Key> keys, i64 now_s);

}  // namespace fathom::cli
