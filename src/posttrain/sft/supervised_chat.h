#pragma once
// Which parts of a conversation a model learns to write: decided by the chat template's own
// rendering, never by searching a text for marks.
#include <string>
#include <vector>

#include "base/error.h"
#include "tokenizer/chat/template.h"

namespace fathom::posttrain {

/// A stretch of a sample. The tokens of neighbouring pieces do not merge: as when the model
/// generates, what stands before an answer is encoded before the answer exists.
struct Piece {
  std::vector<tokenizer::Segment> segments;
  bool supervised = false;
};

/// The samples of a conversation. Supervised is what the model itself writes: what the rendering up
/// to an assistant's message has behind the prompt that opens it (thoughts, content, tool calls),
/// to the token that closes the turn. Not supervised: BOS, system, user and tool messages, role
/// marks, and what the generation prompt brings ("<think>\n" of R1).
///
/// Mostly one sample holds all turns. Where the template rewrites earlier turns (R1 and Qwen3 drop
/// their thoughts), so that the prompt of a turn does not begin with what the turn before it
/// learnt, that turn begins a sample of its own.
///   trained   [messages]  of an assistant's message: whether it is learnt
/// A message with reasoning_content is learnt as the model writes it, also where the template
/// leaves thoughts out of what it stores. Errors name the message: nothing to learn; a turn that
/// the template opens with a thought and that has none; an answer without a closing token.
[[nodiscard]] Result<std::vector<std::vector<Piece>>> supervise_chat(
    const tokenizer::ChatTemplate& chat_template, const tokenizer::ChatRequest& request,
    const std::vector<bool>& trained);

}  // namespace fathom::posttrain
