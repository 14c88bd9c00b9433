#pragma once
// One request on an engine that nobody else uses: what the command line and evaluations need.
#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"

namespace fathom::engine {

struct GenerateResult {
  std::string text;
  std::vector<i32> token_ids;  // generated, without the stop token
  FinishReason finish_reason = FinishReason::kLength;
  RequestStats stats;
  double decode_s = 0.0;  // from the first token to the end
};

/// Streamed pieces of the answer: whole UTF-8 characters, nothing that a stop text could still take
/// back. Their concatenation is GenerateResult::text.
using OnText = std::function<void(std::string_view)>;

/// Steps the engine until the request, of one choice, has ended; `*interrupted` ends it within a
/// step. Throws Error{kInvalidInput} for what Engine::submit() refuses, or if no logit was a
/// number.
GenerateResult generate(Engine& engine, GenerateRequest request, const OnText& on_text = {},
                        const std::atomic<bool>* interrupted = nullptr);

}  // namespace fathom::engine
