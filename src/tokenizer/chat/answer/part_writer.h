#pragma once
// From what was recognised to the parts of an answer.
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/chat/answer/answer.h"
#include "tokenizer/stop_text.h"

namespace fathom::tokenizer {

/// What becomes of the white space around a text.
struct TextEdges {
  bool drops_newlines_before = false;
  bool drops_newlines_behind = false;
  bool may_end_in_call = false;  // white space at the end waits for what follows it
  bool follows_call = false;
};

class PartWriter {
 public:
  explicit PartWriter(std::vector<std::string> stop) : stop_(std::move(stop)) {}
  /// Where parts go until the next call.
  void write_to(std::vector<AnswerPart>& parts) { parts_ = &parts; }

  void begin_thought(TextEdges edges) { begin_text(AnswerPart::Kind::kReasoning, edges); }
  void begin_content(TextEdges edges) { begin_text(AnswerPart::Kind::kContent, edges); }
  /// A piece of the thought or the content, of which the bytes of marks are left out.
  void text(std::string_view text);
  /// The thought or the content is over. `call_newlines`: a call follows, and so many line breaks
  /// before it are its format's own; < 0: none does.
  void end_text(int call_newlines = -1);

  void begin_call(std::string_view name);
  /// Without the bytes of marks.
  void arguments(std::string_view text);
  void end_call(bool complete);

  /// A stop text came; nothing is written any more.
  bool stopped() const { return stop_.stopped(); }
  const std::string& stop_text() const { return stop_.stop_text(); }

 private:
  void begin_text(AnswerPart::Kind kind, TextEdges edges);
  void emit(std::string_view text);
  void append(AnswerPart::Kind kind, std::string_view text);

  std::vector<AnswerPart>* parts_ = nullptr;
  StopTextFilter stop_;
  AnswerPart::Kind kind_ = AnswerPart::Kind::kContent;
  TextEdges edges_;
  std::string space_;        // held back
  bool is_at_start_ = true;  // nothing came that is kept
  bool is_blank_ = true;     // nothing but white space came
  i64 num_calls_ = 0;
};

}  // namespace fathom::tokenizer
