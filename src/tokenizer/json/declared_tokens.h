#pragma once
// Tokens that tokenizer_config.json declares beside those of tokenizer.json. As in transformers
// both files together decide: the config adds what is missing, and its flags win.
#include <string>

#include "base/error.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {

/// Adds to `spec.added_tokens`, in transformers' order: added_tokens_decoder by id, then the
/// special tokens with a name (bos_token, ...), then the extra ones. A token in model.vocab keeps
/// its id, any other takes the next free one. kInvalidInput: added_tokens_decoder gives another id
/// than that, for which transformers would pass over the config's in silence. kUnsupported: a flag
/// of the config with which transformers would give other ids (split_special_tokens,
/// add_prefix_space). `where` names the config.
Result<void> add_declared_tokens(const TokenizerConfig& config, const std::string& where,
                                 TokenizerSpec& spec);

}  // namespace fathom::tokenizer
