#include "tokenizer/chat/answer/part_writer.h"

#include "tokenizer/chat/answer/mark_bytes.h"

namespace fathom::tokenizer {
void PartWriter::begin_text(AnswerPart::Kind kind, TextEdges edges) {
  kind_ = kind;
  edges_ = edges;
  space_.clear();
  is_blank_ = is_at_start_ = true;
}

// White space at an end is no piece of the text until something else follows.
void PartWriter::text(std::string_view marked) {
  std::string text = std::exchange(space_, {}) + MarkBytes::without_tokens(marked);
  if (is_at_start_ && edges_.drops_newlines_before) {
    text.erase(0, std::min(text.find_first_not_of('\n'), text.size()));
  }
  if (!text.empty()) is_at_start_ = false;
  const std::string_view held_back = edges_.may_end_in_call         ? kSpace
                                     : edges_.drops_newlines_behind ? "\n"
                                                                    : "";
  const size_t end = text.find_last_not_of(held_back) + 1;
  space_ = text.substr(end);
  text.resize(end);
  if (text.find_first_not_of(kSpace) != std::string::npos) is_blank_ = false;
  emit(text);
}

void PartWriter::end_text(int call_newlines) {
  std::string rest = std::exchange(space_, {});
  // Beside a call white space alone is no content.
  if (is_blank_ && (call_newlines >= 0 || edges_.follows_call)) rest.clear();
  if (call_newlines >= 0 && !edges_.drops_newlines_behind) {
    for (int i = 0; i < call_newlines && rest.ends_with('\n'); ++i) rest.pop_back();
  } else if (edges_.drops_newlines_behind) {
    rest.erase(rest.find_last_not_of('\n') + 1);
  }
  emit(rest);
  // No stop text reaches across a call, nor does the end of the answer.
  if (kind_ == AnswerPart::Kind::kContent) append(kind_, stop_.finish());
}

void PartWriter::emit(std::string_view text) {
  append(kind_, kind_ == AnswerPart::Kind::kContent ? stop_.push(text) : text);
}

void PartWriter::append(AnswerPart::Kind kind, std::string_view text) {
  if (text.empty()) return;
  const i64 call = kind == AnswerPart::Kind::kArguments ? num_calls_ - 1 : 0;
  if (!parts_->empty() && parts_->back().kind == kind && parts_->back().call == call) {
    parts_->back().text += text;
  } else {
    parts_->push_back({.kind = kind, .text = std::string(text), .call = call});
  }
}

void PartWriter::begin_call(std::string_view name) {
  parts_->push_back(
      {.kind = AnswerPart::Kind::kCallBegin, .text = std::string(name), .call = num_calls_++});
}

void PartWriter::arguments(std::string_view text) {
  append(AnswerPart::Kind::kArguments, MarkBytes::without_tokens(text));
}

void PartWriter::end_call(bool complete) {
  parts_->push_back(
      {.kind = AnswerPart::Kind::kCallEnd, .call = num_calls_ - 1, .complete = complete});
}

}  // namespace fathom::tokenizer
