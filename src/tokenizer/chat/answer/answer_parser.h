#pragma once
// Thoughts, content and calls in a text with marks (mark_bytes.h).
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/chat/answer/answer_reader.h"
#include "tokenizer/chat/answer/call_reader.h"
#include "tokenizer/chat/answer/part_writer.h"

namespace fathom::tokenizer {

/// The parts do not depend on how the text is cut into pieces; a piece ends no character in its
/// middle.
class AnswerParser {
 public:
  AnswerParser(const ChatTemplate& chat_template, const MarkBytes& marks, AnswerOptions options);

  void push(std::string_view text, std::vector<AnswerPart>& parts);
  void finish(bool cut, std::vector<AnswerPart>& parts);

  bool stopped() const { return out_.stopped(); }
  const std::string& stop_text() const { return out_.stop_text(); }
  bool in_thought() const { return place_ == Place::kBeginThought || place_ == Place::kThought; }

 private:
  enum class Place {
    kStart,         // a thought may begin here
    kBeginThought,  // inside one; the model may say so again
    kThought,
    kContent,
    kObjectOrContent,  // where an object without marks may be a call
    kSection,          // inside the marks around all calls, between two of them
    kCall,
  };
  /// What a mark in a thought or a content means.
  enum class Meaning { kThoughtEnd, kSectionBegin, kCallBegin, kNothing };
  struct Marks {
    MarkSearch search;
    std::vector<Meaning> meanings;
  };

  Marks marks_in_thought(const MarkBytes& marks) const;
  Marks marks_in_content() const;
  bool calls() const { return format_.has_value(); }
  /// True: something was done, and more may be.
  bool step();
  bool begin_answer();
  bool read_text(const Marks& marks);
  void read_mark(Meaning meaning);
  bool read_section();
  bool read_call();
  bool look_for_object();
  void enter_thought();
  void enter_content();
  void enter_content_after_call();
  void enter_section();
  void enter_call();

  std::optional<ToolFormat> format_;  // unset: no calls are looked for
  CallFrame frame_;
  MarkBytes marks_;
  std::set<std::string> tools_;
  std::string think_begin_;
  bool thinks_ = false;           // the template knows thoughts, or the vocabulary does
  bool spaces_thoughts_ = false;  // line breaks around them are the template's own
  Marks thought_marks_, content_marks_;
  PartWriter out_;
  std::unique_ptr<CallReader> call_;
  std::string text_;  // not read yet
  TextEnd end_ = TextEnd::kOpen;
  Place place_ = Place::kStart;
};

}  // namespace fathom::tokenizer
