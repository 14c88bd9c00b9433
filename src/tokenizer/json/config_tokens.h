#pragma once
// The tokens that tokenizer_config.json declares, and the two older files that did so before it.
#include <string_view>

#include "base/error.h"
#include "io/json.h"
#include "tokenizer/tokenizer_config.h"

namespace fathom::tokenizer {

// `where` names the file; `root` is an object. An absent or null member leaves `config` alone.

/// added_tokens_decoder: {"163584": {"content": "[BOS]", "special": true, ...}, ...}
Result<void> read_added_tokens_decoder(const io::JsonValue& root, std::string_view where,
                                       TokenizerConfig& config);
/// named_tokens and extra_tokens.
Result<void> read_special_tokens(const io::JsonValue& root, std::string_view where,
                                 TokenizerConfig& config);
/// The whole of an added_tokens.json, {"<|new|>": 4096, ...}: more tokens of added_tokens_decoder,
/// special if `config` has them as special tokens.
Result<void> read_added_tokens_file(const io::JsonValue& root, std::string_view where,
                                    TokenizerConfig& config);

}  // namespace fathom::tokenizer
