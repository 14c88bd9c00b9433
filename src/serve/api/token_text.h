#pragma once
// Tokens as log-probabilities name them.
#include <string>

#include "engine/request.h"
#include "io/json.h"
#include "serve/generate/served_model.h"

namespace fathom::serve {

/// The token's text; "bytes:\xe2\x82" where its bytes are no UTF-8, so that no two tokens of
/// different bytes have one name; "token_id:17" where ids are asked for.
std::string token_name(const ServedModel& model, i32 id, bool as_id);

/// The chat API's entry: {"token", "logprob", "bytes", "top_logprobs": [...]}.
io::JsonObject chat_logprob(const ServedModel& model, const engine::Event& event, bool as_ids);

/// Nothing below this is told: minus infinity is no JSON.
inline constexpr double kLeastLogProb = -9999.0;

}  // namespace fathom::serve
