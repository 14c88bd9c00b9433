#pragma once
// For this folder's tests: answers as short texts, and reading them in pieces.
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "tokenizer/chat/answer/answer_parser.h"
#include "tokenizer/chat/marks.h"
#include "tokenizer/chat/template.h"

namespace fathom::tokenizer::test_answers {

using MarkSet = std::set<std::string, std::less<>>;

/// The marks of all formats and thoughts.
inline const MarkSet& all_marks() {
  static const MarkSet kAll = [] {
    MarkSet marks = {std::string(kThinkBegin), std::string(kThinkEnd)};
    for (const auto format :
         {ToolFormat::kPlain, ToolFormat::kDsml, ToolFormat::kChatMl, ToolFormat::kKimi}) {
      for (const std::string_view mark : tool_marks(format)) marks.emplace(mark);
    }
    return marks;
  }();
  return kAll;
}

/// `text` split where a mark stands.
inline std::vector<Segment> split_at_marks(std::string_view text) {
  std::vector<Segment> segments;
  while (!text.empty()) {
    size_t begin = text.size();
    std::string_view mark;
    for (const std::string& each : all_marks()) {
      const size_t at = text.find(each);
      if (at < begin) {
        begin = at;
        mark = each;
      }
    }
    if (begin > 0) segments.push_back({SegmentKind::kText, std::string(text.substr(0, begin))});
    if (!mark.empty()) segments.push_back({SegmentKind::kToken, std::string(mark)});
    text.remove_prefix(begin + mark.size());
  }
  return segments;
}

/// The text that a parser reads.
inline std::string with_marks(const std::vector<Segment>& segments, const MarkBytes& marks) {
  std::string text;
  for (const Segment& segment : segments) {
    text += segment.kind == SegmentKind::kToken ? marks(segment.text) : segment.text;
  }
  return text;
}

/// "[think]a[text]b[call f]{"x": 1}[end][call g]{"x[cut]".
inline std::string shown(const std::vector<AnswerPart>& parts) {
  std::string text;
  const AnswerPart* before = nullptr;
  for (const AnswerPart& part : parts) {
    const bool goes_on = before != nullptr && before->kind == part.kind;
    switch (part.kind) {
      case AnswerPart::Kind::kReasoning:
        text += (goes_on ? "" : "[think]") + part.text;
        break;
      case AnswerPart::Kind::kContent:
        text += (goes_on ? "" : "[text]") + part.text;
        break;
      case AnswerPart::Kind::kCallBegin:
        text += "[call " + part.text + "]";
        break;
      case AnswerPart::Kind::kArguments:
        text += part.text;
        break;
      case AnswerPart::Kind::kCallEnd:
        text += part.complete ? "[end]" : "[cut]";
        break;
    }
    before = &part;
  }
  return text;
}

struct Asked {
  const char* chat_template = "deepseek-v3.1";
  AnswerOptions options = {.in_thought = false, .tools = {"f", "g"}, .stop = {}};
  bool cut = false;
};

/// The parts of `text` in the given pieces.
inline std::string read_pieces(const Asked& asked, const MarkBytes& marks,
                               const std::vector<std::string_view>& pieces) {
  AnswerParser parser(*find_chat_template(asked.chat_template), marks, asked.options);
  std::vector<AnswerPart> parts;
  for (const std::string_view piece : pieces) {
    std::vector<AnswerPart> new_parts;
    parser.push(piece, new_parts);
    for (AnswerPart& part : new_parts) {
      EXPECT_FALSE(part.text.empty() && part.kind != AnswerPart::Kind::kCallEnd);
      EXPECT_FALSE(MarkBytes::has_token(part.text)) << part.text;
      parts.push_back(std::move(part));
    }
  }
  std::vector<AnswerPart> last;
  parser.finish(asked.cut, last);
  parts.insert(parts.end(), last.begin(), last.end());
  return shown(parts);
}

inline std::vector<size_t> character_ends(std::string_view text) {
  std::vector<size_t> ends;
  for (size_t i = 1; i < text.size(); ++i) {
    if ((static_cast<u8>(text[i]) & 0xC0) != 0x80) ends.push_back(i);
  }
  return ends;
}

inline std::vector<std::string_view> cut_at(std::string_view text,
                                            const std::vector<size_t>& places) {
  std::vector<std::string_view> pieces;
  size_t begin = 0;
  for (const size_t end : places) {
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  pieces.push_back(text.substr(begin));
  return pieces;
}

/// The parts of the whole text; every way of cutting it that is tried gives the same.
inline std::string read_all_ways(const Asked& asked, const MarkBytes& marks,
                                 const std::string& text, int num_random = 30) {
  const std::string whole = read_pieces(asked, marks, {text});
  const std::vector<size_t> ends = character_ends(text);
  EXPECT_EQ(read_pieces(asked, marks, cut_at(text, ends)), whole) << "each character of " << text;
  for (const size_t end : ends) {
    EXPECT_EQ(read_pieces(asked, marks, cut_at(text, {end})), whole) << end << " of " << text;
  }
  std::mt19937 random(7);
  for (int i = 0; i < num_random; ++i) {
    std::vector<size_t> some;
    const size_t one_in = 1 + random() % 9;
    for (const size_t end : ends) {
      if (random() % one_in == 0) some.push_back(end);
    }
    EXPECT_EQ(read_pieces(asked, marks, cut_at(text, some)), whole) << text;
  }
  return whole;
}

/// What both a vocabulary with the marks as tokens and one without make of `text`.
inline std::string read_both(const Asked& asked, const std::string& text) {
  const MarkBytes tokens(all_marks()), spelled({});
  const std::vector<Segment> segments = split_at_marks(text);
  const std::string as_tokens = read_all_ways(asked, tokens, with_marks(segments, tokens));
  EXPECT_EQ(read_all_ways(asked, spelled, text), as_tokens) << "spelled: " << text;
  return as_tokens;
}

}  // namespace fathom::tokenizer::test_answers
