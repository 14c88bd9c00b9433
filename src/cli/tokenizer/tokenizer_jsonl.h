#pragma once
// `fathom tokenizer encode|decode --jsonl`: one JSON object a line from stdin, one a line to
// stdout, so that a script can pass any text, line breaks and bytes that are not UTF-8 included.
#include "tokenizer/tokenizer.h"

namespace fathom::cli {

/// {"text": "..."} or {"hex": "ff41"} -> {"ids": [...]}
void encode_json_lines(const tokenizer::Tokenizer& tokenizer, tokenizer::EncodeOptions options);
/// {"ids": [...]} -> {"text": "..."}
void decode_json_lines(const tokenizer::Tokenizer& tokenizer, tokenizer::SpecialTokens special);

}  // namespace fathom::cli
