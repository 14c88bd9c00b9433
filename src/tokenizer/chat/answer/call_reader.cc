#include "tokenizer/chat/answer/call_reader.h"

#include "tokenizer/chat/marks.h"

namespace fathom::tokenizer {
namespace {

/// The marks behind which a call is over, its own end first.
MarkSearch ends_of_call(const CallFrame& frame) {
  std::vector<std::string> ends;
  for (const std::string& mark :
       {frame.call_end, frame.section_end, frame.call_begin, frame.section_begin}) {
    if (!mark.empty()) ends.push_back(mark);
  }
  return MarkSearch(std::move(ends));
}

constexpr std::string_view kFrameCharacters = " \t\r\n`";

}  // namespace

CallFrame call_frame(ToolFormat format, const MarkBytes& marks) {
  const std::string dsml = marks(kDsmlMark);
  switch (format) {
    case ToolFormat::kFenced:
    case ToolFormat::kPlain:
      return {.section_begin = marks(kCallsBegin),
              .section_end = marks(kCallsEnd),
              .call_begin = marks(kCallBegin),
              .call_end = marks(kCallEnd),
              .separator = marks(kToolSep)};
    case ToolFormat::kKimi:
      return {.section_begin = marks(kKimiCallsBegin),
              .section_end = marks(kKimiCallsEnd),
              .call_begin = marks(kKimiCallBegin),
              .call_end = marks(kKimiCallEnd),
              .separator = marks(kKimiArgumentsBegin)};
    case ToolFormat::kDsml:
      return {.section_begin = "<" + dsml + "function_calls>",
              .section_end = "</" + dsml + "function_calls>",
              .call_begin = "<" + dsml + "invoke ",
              .call_end = "</" + dsml + "invoke>",
              .separator = {},
              .newlines_before = 2};
    case ToolFormat::kChatMl:
      return {.section_begin = {},
              .section_end = {},
              .call_begin = marks(kToolCallBegin),
              .call_end = marks(kToolCallEnd),
              .separator = {},
              .newlines_before = 1};
    case ToolFormat::kLlama:
      return {};
  }
  return {};
}

RawArguments::RawArguments(const CallFrame& frame)
    : ends_(ends_of_call(frame)), call_end_(frame.call_end) {}

CallReader::Progress RawArguments::read(std::string& text, TextEnd end, PartWriter& out) {
  const auto hit = ends_.find(text);
  const bool is_over = hit || end != TextEnd::kOpen;
  std::string raw = text.substr(0, hit ? hit->begin : std::string::npos);
  size_t kept = raw.size();
  if (!hit) kept -= ends_.open_bytes(raw);
  // A fence and white space may be the call's frame.
  kept = std::string_view(raw).substr(0, kept).find_last_not_of(kFrameCharacters) + 1;
  out.arguments(std::string_view(raw).substr(0, kept));
  if (kept > 0) is_empty_ = false;
  if (!is_over) {
    text.erase(0, kept);
    return CallReader::Progress::kMore;
  }
  const bool has_end = hit && hit->mark == 0 && !call_end_.empty();
  text.erase(0, hit ? (has_end ? hit->end : hit->begin) : std::string::npos);
  const bool is_none = is_empty_ && (hit || end == TextEnd::kDone);
  if (is_none) out.arguments("{}");
  out.end_call(is_none);
  return CallReader::Progress::kDone;
}

CallTail::CallTail(const CallFrame& frame)
    : ends_(ends_of_call(frame)), call_end_(frame.call_end) {}

CallReader::Progress CallTail::read(std::string& text, TextEnd end) {
  if (call_end_.empty()) return CallReader::Progress::kDone;
  const auto hit = ends_.find(text);
  if (!hit && end == TextEnd::kOpen) return CallReader::Progress::kMore;
  if (hit && hit->mark == 0) {
    text.erase(0, hit->end);
    return CallReader::Progress::kDone;
  }
  if (!hit) text.resize(text.size() - ends_.open_bytes(text));
  text.erase(0, std::min(text.find_first_not_of(kFrameCharacters), text.size()));
  return CallReader::Progress::kDone;
}

}  // namespace fathom::tokenizer
