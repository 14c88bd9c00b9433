#pragma once
// An added token as tokenizer.json and tokenizer_config.json write it.
#include <string>

#include "base/error.h"
#include "io/json.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {

/// Reads content, single_word, lstrip, rstrip, normalized and special of `value`, an object. A flag
/// that is absent or null keeps what it has. `place` opens every message.
Result<void> read_added_token(const io::JsonValue& value, const std::string& place,
                              AddedToken& token);

}  // namespace fathom::tokenizer
