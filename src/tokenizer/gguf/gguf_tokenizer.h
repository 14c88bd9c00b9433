#pragma once
// The tokenizer that a GGUF file's metadata holds.
#include "base/error.h"
#include "io/gguf/metadata.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {

/// Tokens, merges and types of a byte-level tokenizer (`tokenizer.ggml.model` is gpt2), its
/// pre-tokenizer by name. Control tokens become special added tokens, user-defined ones plain added
/// tokens. kUnsupported: another tokenizer model, or an unknown pre-tokenizer, by name.
Result<TokenizerSpec> gguf_tokenizer_spec(const io::gguf::Metadata& metadata);

/// What tokenizer_config.json would say: add_bos_token, the special tokens' texts and the chat
/// template.
Result<TokenizerConfig> gguf_tokenizer_config(const io::gguf::Metadata& metadata);

}  // namespace fathom::tokenizer
