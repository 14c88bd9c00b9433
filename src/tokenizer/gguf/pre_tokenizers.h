#pragma once
// The pre-tokenizers that `tokenizer.ggml.pre` names: a GGUF file says which one a model was
// trained with, and not what it does.
#include <string_view>

#include "base/error.h"
#include "tokenizer/pre_tokenizer.h"

namespace fathom::tokenizer {

struct NamedPreTokenizer {
  PreTokenizer pre_tokenizer;
  bool ignore_merges = false;
};

/// As the models' own tokenizer.json has it. An unknown name is kUnsupported, with the known ones:
/// another's would give other ids in silence.
Result<NamedPreTokenizer> gguf_pre_tokenizer(std::string_view name, std::string_view where);

}  // namespace fathom::tokenizer
