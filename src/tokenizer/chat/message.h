#pragma once
// A conversation as an application gives it, in the shape of the OpenAI chat API: what a chat
// template turns into a prompt. Every text in here is a client's and is trusted for nothing.
#include <optional>
#include <string>
#include <vector>

namespace fathom::tokenizer {

struct ToolCall {
  std::string id;         // may be empty: no template writes it
  std::string name;       // of the function
  std::string arguments;  // JSON text of one object, written as given where the template does so
};

struct Message {
  std::string role;                    // "system", "user", "assistant" or "tool"
  std::optional<std::string> content;  // required, but for an assistant that calls tools, and for
                                       // a thought to go on with
  std::string reasoning_content;       // an assistant's thoughts, apart from its answer
  std::vector<ToolCall> tool_calls;    // an assistant's; an empty list counts as none
  std::string tool_call_id;  // of a tool's result. Templates write results in message order and no
                             // id, so results must stand in the order of their calls.
  std::string name = {};     // of who speaks; of a result, the function's. Most templates have none
  bool prefix = false;       // an assistant's last message that the model is to go on with, as
                             // DeepSeek's API marks it
};

/// Whether the model is asked to think before it answers.
enum class Thinking {
  kDefault,  // as the template does when not told
  kOn,
  kOff,
};

/// Texts of a checkpoint's own template where they differ from the built-in one's.
struct TemplateTexts {
  std::optional<std::string> default_system;  // where a client gives no system text
  std::optional<std::string> default_date;    // of Llama 3.1: what it calls today
};

/// Whether and how the model is to call tools. It changes no prompt.
struct ToolUse {
  enum class Choice {
    kAuto,      // as it likes
    kRequired,  // at once
  };
  Choice choice = Choice::kAuto;
  std::vector<std::string> names = {};  // of the functions that may be called; empty: all
  bool parallel = true;                 // several calls in one answer
};

struct ChatRequest {
  std::vector<Message> messages;
  /// JSON text of one tool each: {"type": "function", "function": {"name", "description",
  /// "parameters"}}.
  std::vector<std::string> tools;
  ToolUse tool_use = {};
  Thinking thinking = Thinking::kDefault;
  /// Ends the prompt where the assistant's answer begins. Some templates do so anyway after a user
  /// message (template.h).
  bool add_generation_prompt = true;
  /// Ends the prompt with the last character of the last message, an assistant's, for the model to
  /// go on from there. There is no generation prompt then. With reasoning_content and no content
  /// that is inside its thought.
  bool continue_final_message = false;
  /// What Llama 3.1 and its successors call today, as they write it: "26 Jul 2024".
  std::optional<std::string> date_string = {};
  TemplateTexts texts = {};
};

}  // namespace fathom::tokenizer
