#pragma once
// What a request cost, in OpenAI's, DeepSeek's and llama.cpp's words.
#include "io/json.h"
#include "serve/generate/generation.h"

namespace fathom::serve {

/// {"prompt_tokens", "completion_tokens", "total_tokens", ...}, with DeepSeek's cache fields.
io::JsonObject openai_usage(const Usage& usage);
/// llama.cpp's "timings".
io::JsonObject timings(const Usage& usage);

}  // namespace fathom::serve
