#pragma once
// The chat templates as code. A checkpoint brings its template as a Jinja
// program; we never run it, we recognise it (by a hash of its form) and render what it would
// have rendered, character for character, quirks included. docs/chat_templates.md lists the quirks.
//
// The result is no text but segments: a control token is named by the template alone, so whatever a
// client writes ("<｜User｜>" in a message, "</think>" in a tool's result) stays plain text.
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "tokenizer/chat/message.h"

namespace fathom::tokenizer {

class Tokenizer;

enum class SegmentKind { kText, kToken };

/// A piece of a prompt. Neighbouring pieces of text are always merged, as BPE must see them whole.
struct Segment {
  SegmentKind kind = SegmentKind::kText;
  std::string text;  // of a token: its spelling, such as "<｜User｜>"
  bool operator==(const Segment&) const = default;
};

/// How a template writes turns and tool calls: which renderer is used.
enum class ChatDialect {
  kPlainTurns,     // V2: "User: " and "Assistant: " as text
  kNullContent,    // V2.5, V3, R1-Distill: an assistant calls tools exactly if its content is null
  kRunningCalls,   // R1: first-call and first-result flags are set once for the whole conversation
  kTurnTracking,   // V3-0324, R1-0528: flags are reset each turn
  kHybridThought,  // V3.1, V3.2-Exp: thinking can be switched; shorter tool markup
  kDsml,           // V3.2: XML-like calls
  kRoleHeaders,    // Moonlight
  kChatMl,         // SmolLM2, Qwen2: <|im_start|>role, a line break, the content, <|im_end|>
  kQwen25,         // the same with tools
  kQwen3,          // and with thoughts
  kLlama3,         // <|start_header_id|>role<|end_header_id|>, the content, <|eot_id|>
  kLlama31,        // the same with dates and tools
  kKimiFirst,      // Kimi-K2 of July 2025: role headers with tools
  kKimi,           // Kimi-K2 since: calls are numbered through the conversation, roles have names
  kKimiThinking,   // Kimi-K2-Thinking
};

enum class ThinkingSupport {
  kNever,      // the model does not think
  kAlways,     // the model thinks and cannot be told not to
  kChoice,     // off unless asked for
  kDefaultOn,  // on unless told not to
};

/// What tells templates of one dialect apart; each is the reading of a published template.
struct ChatTraits {
  bool joins_system_messages = false;      // with a blank line; otherwise the last one wins
  bool drops_thoughts = false;             // of past answers: the text up to the last "</think>"
  bool opens_thought = false;              // the generation prompt ends with "<think>\n"
  bool spaces_per_system_message = false;  // V2.5: eight spaces before BOS for each of them
  bool answers_after_system = false;       // V3.2-Exp: opens a turn after a system message alone
  std::string_view default_system = {};    // the system text where a client gives none
  bool writes_thoughts = false;            // Message::reasoning_content, of some messages
  bool has_names = false;                  // writes Message::name
  bool has_date = false;                   // says what day it is
  std::string_view default_date = {};      // empty: the present one
};

/// A built-in template. All of them live for the whole program; compare by address.
struct ChatTemplate {
  std::string_view name;    // for --chat-template
  std::string_view models;  // whose template it is, for help texts
  ChatDialect dialect;
  ThinkingSupport thinking;
  bool has_tools;                // definitions, calls and results
  std::string_view end_of_turn;  // the token that ends an answer
  ChatTraits traits;
};

/// What was found in a checkpoint, or chosen by name: a built-in template, and the texts in which
/// the checkpoint's own differs, for ChatRequest::texts.
struct RecognisedChatTemplate {
  const ChatTemplate* chat_template = nullptr;
  TemplateTexts texts = {};
};

std::span<const ChatTemplate> chat_templates();
/// nullptr if there is none of that name.
const ChatTemplate* find_chat_template(std::string_view name);
/// The same with an error that names the built-in ones and the nearest name.
[[nodiscard]] Result<const ChatTemplate*> parse_chat_template_name(std::string_view name);

/// Recognises a checkpoint's template by its normal form or, for most, by its loose form, which
/// forgives another spelling of the same and takes its default system text. `chat_template` is its
/// Jinja text, absent when it has none (V3.2 brings a Python program instead, so that config.json's
/// model_type decides), `where` names it in errors. An unknown one is refused with the names of the
/// built-in ones (kUnsupported).
[[nodiscard]] Result<RecognisedChatTemplate> recognise_chat_template(
    std::optional<std::string_view> chat_template, std::string_view model_type,
    std::string_view where);
/// What a model directory has: chat_template.jinja, else tokenizer_config.json's chat_template,
/// else config.json's model_type. A `name` (of --chat-template) overrides it; empty = recognise.
[[nodiscard]] Result<RecognisedChatTemplate> load_chat_template(
    const std::filesystem::path& model_dir, std::string_view name = {});

/// The prompt of a conversation, as the published template renders it. Errors (kInvalidInput, or
/// kUnsupported where the template has no form for what is asked) name the message and the field:
///   messages[2].tool_calls[0].arguments: expected a JSON object, found an array
/// `reasoning_content` is written by V3.2, Qwen3 and Kimi-K2-Thinking (of the running turn); the
/// other templates drop thoughts, and so do we. Of a message to go on with it is written as the
/// model writes it, whatever the template would do.
[[nodiscard]] Result<std::vector<Segment>> render_chat(const ChatTemplate& chat_template,
                                                       const ChatRequest& request);

/// The concatenation of all segments: for logs, tests and people.
std::string chat_text(std::span<const Segment> segments);
/// Whether the prompt ends inside a thought, so that what the model writes first is reasoning.
bool ends_in_thought(std::span<const Segment> segments);
/// What the model itself writes first to open its thought behind this prompt (Qwen3, R1-0528,
/// Kimi-K2-Thinking), for callers that need to know of the thought before it comes: a grammar of
/// the answer or a budget of the thought. Empty: the prompt has opened it, or there will be none.
std::vector<Segment> own_thought_opening(const ChatTemplate& chat_template,
                                         const ChatRequest& request,
                                         std::span<const Segment> prompt);

/// Tokens by their id, text as the plain text of a client. A token that the vocabulary lacks is
/// text, as it would be to Hugging Face (R1-Distill-Qwen has no tool tokens); for those that a
/// template cannot do without see check_chat_tokens.
std::vector<i32> encode_chat(const Tokenizer& tokenizer, std::span<const Segment> segments);
/// Refuses a vocabulary without the tokens that every conversation of this template needs, naming
/// all that are missing: the wrong template for this checkpoint.
[[nodiscard]] Result<void> check_chat_tokens(const ChatTemplate& chat_template,
                                             const Tokenizer& tokenizer);

}  // namespace fathom::tokenizer
