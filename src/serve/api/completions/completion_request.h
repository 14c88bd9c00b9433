#pragma once
// The body of POST /v1/completions.
#include "serve/api/call.h"
#include "serve/api/stream_counts.h"
#include "serve/generate/prepare.h"

namespace fathom::serve {

struct CompletionPrompt {
  std::vector<i32> ids;
  std::string text;  // as the client wrote it, or what its ids stand for
};

struct CompletionOptions {
  NamedModel model;
  StreamOptions stream;
  bool echo = false;
  i64 logprobs = -1;  // -1: none; else the token's own and so many tops
  bool return_token_ids = false;
  bool tokens_as_ids = false;
};

struct CompletionBody {
  CompletionOptions options;
  SamplingFields sampling;
  AnswerFormat format;
  std::vector<CompletionPrompt> prompts;
  std::vector<std::string> ignored;
};

inline constexpr size_t kMaxPrompts = 256;
inline constexpr i64 kCompletionTokens = 16;  // where a client says nothing

std::vector<std::span<const FieldRule>> completion_rules();
ApiResult<CompletionBody> read_completion_body(const Call& call);

}  // namespace fathom::serve
