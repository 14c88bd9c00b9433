#include "tokenizer/chat/answer/answer_parser.h"

#include <algorithm>

#include "tokenizer/chat/answer/mark_bytes.h"
#include "tokenizer/chat/marks.h"

namespace fathom::tokenizer {
namespace {

/// Whether the template writes line breaks between a thought and its marks, and before the content.
/// The others write both exactly, and so they are read.
bool spaces_thoughts(ChatDialect dialect) {
  switch (dialect) {
    case ChatDialect::kNullContent:
    case ChatDialect::kRunningCalls:
    case ChatDialect::kTurnTracking:
    case ChatDialect::kQwen3:
      return true;
    default:
      return false;
  }
}

std::unique_ptr<CallReader> make_call(ToolFormat format, const CallFrame& frame,
                                      const MarkBytes& marks, const std::set<std::string>& tools) {
  switch (format) {
    case ToolFormat::kDsml:
      return read_dsml_call(frame, marks);
    case ToolFormat::kChatMl:
      return read_object_call(frame, {});
    case ToolFormat::kLlama:
      return read_object_call(frame, tools);
    case ToolFormat::kFenced:
    case ToolFormat::kPlain:
    case ToolFormat::kKimi:
      break;
  }
  return read_marked_call(format, frame);
}

}  // namespace

AnswerParser::AnswerParser(const ChatTemplate& chat_template, const MarkBytes& marks,
                           AnswerOptions options)
    : marks_(marks),
      tools_(options.tools.begin(), options.tools.end()),
      think_begin_(marks(kThinkBegin)),
      thinks_(options.in_thought || chat_template.thinking != ThinkingSupport::kNever ||
              MarkBytes::has_token(think_begin_)),
      spaces_thoughts_(spaces_thoughts(chat_template.dialect)),
      out_(std::move(options.stop)) {
  if (!options.tools.empty()) format_ = tool_format(chat_template.dialect);
  if (format_) frame_ = call_frame(*format_, marks);
  thought_marks_ = marks_in_thought(marks);
  content_marks_ = marks_in_content();
  if (options.in_thought) {
    place_ = Place::kBeginThought;
  } else if (!thinks_) {
    enter_content();
  }
}

// A model that begins a call without having ended its thought has ended it, if the mark is a token:
// in text it may be what the thought is about.
AnswerParser::Marks AnswerParser::marks_in_thought(const MarkBytes& marks) const {
  std::vector<std::string> found = {marks(kThinkEnd)};
  Marks result{.search = {}, .meanings = {Meaning::kThoughtEnd}};
  for (const auto& [mark, meaning] : {std::pair(frame_.section_begin, Meaning::kSectionBegin),
                                      std::pair(frame_.call_begin, Meaning::kCallBegin)}) {
    if (!MarkBytes::has_token(mark)) continue;
    found.push_back(mark);
    result.meanings.push_back(meaning);
  }
  result.search = MarkSearch(std::move(found));
  return result;
}

AnswerParser::Marks AnswerParser::marks_in_content() const {
  std::vector<std::string> found;
  Marks result;
  for (const auto& [mark, meaning] : {std::pair(frame_.section_begin, Meaning::kSectionBegin),
                                      std::pair(frame_.call_begin, Meaning::kCallBegin),
                                      std::pair(frame_.section_end, Meaning::kNothing),
                                      std::pair(frame_.call_end, Meaning::kNothing),
                                      std::pair(frame_.separator, Meaning::kNothing)}) {
    if (mark.empty()) continue;
    found.push_back(mark);
    result.meanings.push_back(meaning);
  }
  result.search = MarkSearch(std::move(found));
  return result;
}

void AnswerParser::push(std::string_view text, std::vector<AnswerPart>& parts) {
  if (stopped()) return;
  out_.write_to(parts);
  text_ += text;
  while (!stopped() && step()) {
  }
}

void AnswerParser::finish(bool cut, std::vector<AnswerPart>& parts) {
  if (stopped()) return;
  out_.write_to(parts);
  end_ = cut ? TextEnd::kCut : TextEnd::kDone;
  while (!stopped() && step()) {
  }
  if (!stopped()) out_.end_text();
}

bool AnswerParser::step() {
  switch (place_) {
    case Place::kStart:
    case Place::kBeginThought:
      return begin_answer();
    case Place::kThought:
      return read_text(thought_marks_);
    case Place::kContent:
      return read_text(content_marks_);
    case Place::kObjectOrContent:
      return look_for_object();
    case Place::kSection:
      return read_section();
    case Place::kCall:
      return read_call();
  }
  return false;
}

bool AnswerParser::begin_answer() {
  const size_t begin = std::min(text_.find_first_not_of(kSpace), text_.size());
  const Opening thought = opening(std::string_view(text_).substr(begin), think_begin_);
  if (thought == Opening::kPerhaps && end_ == TextEnd::kOpen) return false;
  const bool is_thought = place_ == Place::kBeginThought || thought == Opening::kYes;
  if (thought == Opening::kYes) text_.erase(0, begin + think_begin_.size());
  if (is_thought) {
    enter_thought();
  } else {
    enter_content();
  }
  return true;
}

void AnswerParser::enter_thought() {
  place_ = Place::kThought;
  out_.begin_thought({.drops_newlines_before = spaces_thoughts_,
                      .drops_newlines_behind = spaces_thoughts_,
                      .may_end_in_call = frame_.newlines_before > 0});
}

void AnswerParser::enter_content() {
  const bool is_after_thought = place_ == Place::kThought;
  place_ = format_ == ToolFormat::kLlama ? Place::kObjectOrContent : Place::kContent;
  out_.begin_content(
      {.drops_newlines_before = is_after_thought && spaces_thoughts_, .may_end_in_call = calls()});
}

void AnswerParser::enter_content_after_call() {
  place_ = Place::kContent;
  out_.begin_content(
      {.drops_newlines_before = true, .may_end_in_call = true, .follows_call = true});
}

void AnswerParser::enter_section() {
  out_.end_text(frame_.newlines_before);
  place_ = Place::kSection;
}

void AnswerParser::enter_call() {
  place_ = Place::kCall;
  call_ = make_call(*format_, frame_, marks_, tools_);
}

bool AnswerParser::read_text(const Marks& marks) {
  const auto hit = marks.search.find(text_);
  if (!hit) {
    const size_t certain = text_.size() - marks.search.open_bytes(text_);
    out_.text(std::string_view(text_).substr(0, certain));
    text_.erase(0, certain);
    if (end_ == TextEnd::kOpen) return false;
    // What only begins a mark is text in the end, unless a token says that it was one.
    if (!MarkBytes::has_token(text_)) out_.text(text_);
    text_.clear();
    return false;
  }
  out_.text(std::string_view(text_).substr(0, hit->begin));
  text_.erase(0, hit->end);
  read_mark(marks.meanings[hit->mark]);
  return true;
}

void AnswerParser::read_mark(Meaning meaning) {
  switch (meaning) {
    case Meaning::kThoughtEnd:
      out_.end_text();
      enter_content();
      break;
    case Meaning::kSectionBegin:
      enter_section();
      break;
    case Meaning::kCallBegin:
      enter_section();
      enter_call();
      break;
    case Meaning::kNothing:
      break;
  }
}

bool AnswerParser::read_section() {
  const size_t begin = std::min(text_.find_first_not_of(kSpace), text_.size());
  const std::string_view rest = std::string_view(text_).substr(begin);
  const auto begins = [&](const std::string& mark) {
    return mark.empty() ? Opening::kNo : opening(rest, mark);
  };
  const Opening call = begins(frame_.call_begin), section_end = begins(frame_.section_end);
  if (call == Opening::kYes) {
    text_.erase(0, begin + frame_.call_begin.size());
    enter_call();
    return true;
  }
  if (section_end == Opening::kYes) {
    text_.erase(0, begin + frame_.section_end.size());
    enter_content_after_call();
    return true;
  }
  const bool may_begin = call == Opening::kPerhaps || section_end == Opening::kPerhaps;
  if (may_begin && end_ == TextEnd::kOpen) return false;
  if (may_begin) text_.clear();
  enter_content_after_call();
  return true;
}

bool AnswerParser::look_for_object() {
  const size_t begin = std::min(text_.find_first_not_of(kSpace), text_.size());
  if (begin == text_.size() && end_ == TextEnd::kOpen) return false;
  if (begin < text_.size() && text_[begin] == '{') {
    enter_call();
  } else {
    place_ = Place::kContent;
  }
  return true;
}

bool AnswerParser::read_call() {
  const CallReader::Progress progress = call_->read(text_, end_, out_);
  if (progress == CallReader::Progress::kMore) return false;
  call_.reset();
  if (progress == CallReader::Progress::kNoCall) {
    // The text before a call ended there; what follows it goes on with the content.
    place_ = Place::kContent;
    if (frame_.call_begin.empty()) return true;
    enter_content_after_call();
    return true;
  }
  if (frame_.section_begin.empty()) {
    enter_content_after_call();
  } else {
    place_ = Place::kSection;
  }
  return true;
}

}  // namespace fathom::tokenizer
