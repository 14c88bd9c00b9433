#pragma once
// The pre-tokenizers that `tokenizer.ggml.pre` names: a GGUF file says which one a model was
// trained with, and not what it does.
#include <string_view>

#include "base/error.h"
#include "tokenizer/pre_tokenizer.h"

namespace fathom::tokenizer {

/// What else such a name says of a tokenizer.
struct GgufTokenizerKind {
  bool ignore_merges = false;  // a piece that is in the vocabulary is that token
  bool adds_bos = false;       // where the file does not say
  bool normalizes = false;     // to NFC
  bool is_tiktoken = false;    // merges are ranked by the id they make, whatever the file lists
};

// As the models' own files have it. An unknown name is kUnsupported, with the known ones: another's
// would give other ids in silence. `where` opens the message.

Result<GgufTokenizerKind> gguf_tokenizer_kind(std::string_view name, std::string_view where);
Result<PreTokenizer> gguf_pre_tokenizer(std::string_view name, std::string_view where);

}  // namespace fathom::tokenizer
