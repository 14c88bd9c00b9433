#include "tokenizer/chat/answer/answer_reader.h"

#include <map>
#include <set>

#include "tokenizer/chat/answer/answer_parser.h"
#include "tokenizer/chat/marks.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {
namespace {

/// The id of a mark, if the vocabulary has it as a token that no text becomes.
std::optional<i32> token_of(const Tokenizer& tokenizer, std::string_view mark) {
  const auto id = tokenizer.token_to_id(mark);
  return id && tokenizer.is_control(*id) ? id : std::nullopt;
}

/// The marks that this template's answers may have. A vocabulary with marks of thoughts is that of
/// a model that may think, whatever its template knows.
std::vector<std::string_view> marks_of(const ChatTemplate& chat_template) {
  std::vector<std::string_view> marks = {kThinkBegin, kThinkEnd};
  if (const auto format = tool_format(chat_template.dialect)) {
    const auto of_calls = tool_marks(*format);
    marks.insert(marks.end(), of_calls.begin(), of_calls.end());
  }
  return marks;
}

/// "<|im_end|>", "<｜User｜>": tokens of turns, results and holes, which no answer says.
bool is_framed(std::string_view spelling) {
  return (spelling.starts_with("<|") && spelling.ends_with("|>")) ||
         (spelling.starts_with("<｜") && spelling.ends_with("｜>"));
}

}  // namespace

struct AnswerReader::Impl {
  Impl(const ChatTemplate& chat_template, const Tokenizer& vocabulary, AnswerOptions options)
      : tokenizer(vocabulary),
        decoder(vocabulary, SpecialTokens::kSkip),
        bytes(find_marks(chat_template)),
        parser(chat_template, bytes, std::move(options)) {}

  /// Notes the ids, and gives the marks' spellings.
  std::set<std::string, std::less<>> find_marks(const ChatTemplate& chat_template) {
    std::set<std::string, std::less<>> tokens;
    for (const std::string_view mark : marks_of(chat_template)) {
      if (const auto id = token_of(tokenizer, mark)) {
        tokens.emplace(mark);
        ids[*id] = mark;
      }
    }
    return tokens;
  }

  /// Whether the token is a mark that means nothing here.
  bool is_silent(i32 id) const {
    return tokenizer.is_control(id) && is_framed(tokenizer.token_spelling(id));
  }

  const Tokenizer& tokenizer;
  StreamDecoder decoder;
  std::map<i32, std::string> ids;  // of marks
  MarkBytes bytes;
  AnswerParser parser;
};

AnswerReader::AnswerReader(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                           AnswerOptions options)
    : impl_(std::make_unique<Impl>(chat_template, tokenizer, std::move(options))) {}
AnswerReader::AnswerReader(AnswerReader&&) noexcept = default;
AnswerReader& AnswerReader::operator=(AnswerReader&&) noexcept = default;
AnswerReader::~AnswerReader() = default;

void AnswerReader::push(i32 id, std::vector<AnswerPart>& parts) {
  const auto mark = impl_->ids.find(id);
  if (mark == impl_->ids.end()) {
    if (!impl_->is_silent(id)) impl_->parser.push(impl_->decoder.push(id), parts);
    return;
  }
  // A character cannot go on behind a mark.
  impl_->parser.push(impl_->decoder.finish(), parts);
  impl_->parser.push(impl_->bytes(mark->second), parts);
}

void AnswerReader::finish(bool cut, std::vector<AnswerPart>& parts) {
  impl_->parser.push(impl_->decoder.finish(), parts);
  impl_->parser.finish(cut, parts);
}

bool AnswerReader::stopped() const { return impl_->parser.stopped(); }
const std::string& AnswerReader::stop_text() const { return impl_->parser.stop_text(); }
bool AnswerReader::in_thought() const { return impl_->parser.in_thought(); }

}  // namespace fathom::tokenizer
