#pragma once
// From what was read to what the engine is given.
#include <optional>
#include <string>
#include <vector>

#include "serve/accounts/accounts.h"
#include "serve/generate/answer_format.h"
#include "serve/generate/conversation.h"
#include "serve/generate/sampling_fields.h"

namespace fathom::serve {

/// How the tokens of an answer are read; unset for plain text, which is taken as it is.
struct ChatAnswer {
  bool in_thought = false;
  std::vector<std::string> tools;     // that may be called
  std::string call_prefix = "call_";  // of the ids that calls get
  std::vector<std::string> stop;      // texts that end the content
};

/// A request that only needs its place in the queue.
struct Prepared {
  engine::GenerateRequest request;
  std::optional<ChatAnswer> chat;
  bool include_stop_text = false;
  std::optional<i64> clamped_max_tokens;  // less than what was asked for: the context is full then
  std::vector<std::string> ignored;       // what the client wrote in vain
};

/// Of a conversation. Renders, tokenises and compiles: for worker threads.
ApiResult<Prepared> prepare_chat(const ServedModel& model, Conversation conversation,
                                 const SamplingFields& sampling, AnswerFormat format);
/// Of a prompt as it is.
ApiResult<Prepared> prepare_text(const ServedModel& model, std::vector<i32> prompt_ids,
                                 const SamplingFields& sampling, const AnswerFormat& format,
                                 i64 default_max_tokens);

/// "This model's maximum context length is ..."
ApiError context_length_exceeded(i64 prompt_tokens, i64 context_tokens);

/// For those whom no engine answers any more: a supervisor has started it again by then, or never
/// will.
inline constexpr double kUnavailableRetryS = 10;
/// What an engine's refusal is to a client: 400 where the request is wrong, else 503.
ApiError of_engine(const Error& error);

/// Queues it. 503 where the queue is full, or nothing is served any more.
ApiResult<std::shared_ptr<engine::Stream>> submit(const ServedModel& model,
                                                  const Admission& admission,
                                                  engine::GenerateRequest request);

}  // namespace fathom::serve
