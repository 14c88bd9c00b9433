#pragma once
// Inside of chat_template: what the renderers share. A renderer is total: check_chat_request has
// refused everything that a template cannot express before one is called.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/chat/marks.h"
#include "tokenizer/chat/template.h"

namespace fathom::tokenizer {

/// Collects segments; neighbouring texts become one.
class PromptWriter {
 public:
  PromptWriter& text(std::string_view text) {
    if (text.empty() || is_closed_) return *this;
    if (segments_.empty() || segments_.back().kind != SegmentKind::kText) {
      segments_.push_back({SegmentKind::kText, {}});
    }
    segments_.back().text += text;
    return *this;
  }
  PromptWriter& token(std::string_view spelling) {
    if (!is_closed_) segments_.push_back({SegmentKind::kToken, std::string(spelling)});
    return *this;
  }
  /// Here the model goes on: what is written after this is not part of the prompt.
  void close() { is_closed_ = true; }
  bool is_closed() const { return is_closed_; }
  std::vector<Segment> take() { return std::move(segments_); }

 private:
  std::vector<Segment> segments_;
  bool is_closed_ = false;
};

inline const std::string& content_of(const Message& message) {
  static const std::string kNone;
  return message.content ? *message.content : kNone;
}
/// The system text where a client gives none: the checkpoint's own, or the built-in one.
inline std::string_view default_system(const ChatTemplate& chat_template,
                                       const ChatRequest& request) {
  const std::optional<std::string>& own = request.texts.default_system;
  return own ? std::string_view(*own) : chat_template.traits.default_system;
}
/// Python's text.split("</think>")[-1]: what follows the last one, or all.
std::string_view after_last_think_end(std::string_view text);
/// Python's text.split("</think>", 1)[1] where it occurs, or all: what follows the first one.
std::string_view after_first_think_end(std::string_view text);

/// Writes `text`, the content of an assistant's `message` as its template has it. If the model is
/// to go on with this message the prompt ends here, unless the template left part of the content
/// out.
void write_content(const ChatRequest& request, const Message& message, std::string_view text,
                   PromptWriter& out);

// One renderer per dialect.
void render_plain_turns(const ChatTemplate& chat_template, const ChatRequest& request,
                        PromptWriter& out);
void render_null_content(const ChatTemplate& chat_template, const ChatRequest& request,
                         PromptWriter& out);
void render_running_calls(const ChatTemplate& chat_template, const ChatRequest& request,
                          PromptWriter& out);
void render_turn_tracking(const ChatTemplate& chat_template, const ChatRequest& request,
                          PromptWriter& out);
void render_hybrid_thought(const ChatTemplate& chat_template, const ChatRequest& request,
                           PromptWriter& out);
void render_dsml(const ChatTemplate& chat_template, const ChatRequest& request, PromptWriter& out);
void render_role_headers(const ChatTemplate& chat_template, const ChatRequest& request,
                         PromptWriter& out);
void render_chat_ml(const ChatTemplate& chat_template, const ChatRequest& request,
                    PromptWriter& out);
void render_qwen25(const ChatTemplate& chat_template, const ChatRequest& request,
                   PromptWriter& out);
void render_qwen3(const ChatTemplate& chat_template, const ChatRequest& request, PromptWriter& out);
void render_llama3(const ChatTemplate& chat_template, const ChatRequest& request,
                   PromptWriter& out);
void render_llama31(const ChatTemplate& chat_template, const ChatRequest& request,
                    PromptWriter& out);
void render_kimi_first(const ChatTemplate& chat_template, const ChatRequest& request,
                       PromptWriter& out);
void render_kimi(const ChatTemplate& chat_template, const ChatRequest& request, PromptWriter& out);
void render_kimi_thinking(const ChatTemplate& chat_template, const ChatRequest& request,
                          PromptWriter& out);

/// Whether the message to go on with has thoughts, which most templates have no place for. An
/// answer without thinking is gone on with as if it had none.
bool goes_on_thinking(const ChatRequest& request);
/// The prompt of such a message: the turn as it was opened for the model, then the thoughts and
/// what follows them as the model writes it. Without content the model is still thinking.
[[nodiscard]] Result<std::vector<Segment>> render_thought(const ChatTemplate& chat_template,
                                                          const ChatRequest& request);

/// The definitions of tools as V2.5's model card has them, for it and the models up to R1-0528,
/// whose templates take none. Appended to the system text. Nothing if there are no tools.
void write_markdown_tools(const ChatRequest& request, bool after_text, PromptWriter& out);
/// The same as V3.1's model card has them.
void write_hybrid_tools(const ChatRequest& request, bool after_text, PromptWriter& out);
/// The same as V3.2's encoder writes them into a system message.
void write_dsml_tools(const ChatRequest& request, PromptWriter& out);

/// "messages[1].name: the chat template ... has no names"
std::string no_form(const ChatTemplate& chat_template, std::string_view where,
                    std::string_view what);
/// A client's word in an error message: short, whatever was sent.
std::string in_quotes(std::string_view word);
/// A function's name stands between control tokens, quotes and line breaks of the prompt.
[[nodiscard]] Result<void> check_function_name(std::string_view name, const std::string& where);
/// What each message must be, by itself and after those before it.
[[nodiscard]] Result<void> check_messages(const ChatTemplate& chat_template,
                                          const ChatRequest& request);
/// Everything that makes a request impossible for this template.
[[nodiscard]] Result<void> check_chat_request(const ChatTemplate& chat_template,
                                              const ChatRequest& request);

}  // namespace fathom::tokenizer
