#pragma once
// A conversation as the OpenAI chat API writes it, with what DeepSeek, vLLM and llama.cpp add; the
// other dialects translate theirs into a ChatRequest and go on from render().
#include <optional>
#include <string>
#include <vector>

#include "serve/api/fields.h"
#include "serve/generate/served_model.h"
#include "tokenizer/chat/message.h"

namespace fathom::serve {

struct Conversation {
  tokenizer::ChatRequest chat;
  std::optional<i64> thinking_budget;  // tokens
  std::vector<std::string> ignored;    // what the client wrote in vain
};

/// Whether a client asks for thoughts, under any of the names for it.
struct ThinkingWish {
  tokenizer::Thinking thinking = tokenizer::Thinking::kDefault;
  bool is_hint = false;  // an effort: without effect on a model that cannot choose
  std::optional<i64> budget_tokens;
};

std::span<const FieldRule> conversation_rules();
inline constexpr size_t kMaxMessages = 10'000, kMaxTools = 512;

/// `alias`: what the name under which the model was asked for says of thinking.
Conversation read_conversation(FieldReader& reader, const ServedModel& model,
                               tokenizer::Thinking alias);
/// {"type": "enabled", "budget_tokens": 1000} and its kin.
void read_thinking(FieldReader& reader, std::string_view name, ThinkingWish& wish);
/// "none" is off, other levels are on: a hint.
void read_effort(FieldReader& reader, std::string_view name, ThinkingWish& wish);
/// Puts the wish into the conversation, or its name into `ignored`.
void apply_thinking(const ThinkingWish& wish, const ServedModel& model, Conversation& conversation);

/// The prompt of a conversation.
struct Prompt {
  std::vector<i32> ids;
  std::string text;         // for people: control tokens and a client's characters look alike
  bool in_thought = false;  // what the model writes first is a thought
};
/// 400 names the message and the field. `opens_thought`: also a thought that the model would open
/// itself.
ApiResult<Prompt> render(const ServedModel& model, const tokenizer::ChatRequest& chat,
                         bool opens_thought = false);

/// The model that a request asks for.
struct NamedModel {
  std::string name;  // as the client has it
  tokenizer::Thinking thinking = tokenizer::Thinking::kDefault;
};
/// 404 for another model's name; none is the served one's.
ApiResult<NamedModel> resolve_model(FieldReader& reader, const ServedModel& model);

}  // namespace fathom::serve
