#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode/unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

/// Start of the character before `pos` (> 0).
size_t character_before(std::string_view text, size_t pos) {
  do {
    --pos;
  } while ((static_cast<u8>(text[pos]) & 0xC0) == 0x80);
  return pos;
}

bool touches_word(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word_character(decode_utf8(text, character_before(text, begin)).value)) {
    return true;
  }
  return end < text.size() && is_word_character(decode_utf8(text, end).value);
}

size_t white_space_begin(std::string_view text, size_t end) {
  while (end > 0) {
    const size_t begin = character_before(text, end);
    if (!is_white_space(decode_utf8(text, begin).value)) break;
    end = begin;
  }
  return end;
}

size_t white_space_end(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    const CodePoint character = decode_utf8(text, begin);
    if (!is_white_space(character.value)) break;
    begin += character.num_bytes;
  }
  return begin;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (const AddedToken& token : tokens_) is_first_byte_[static_cast<u8>(token.content[0])] = true;
}

const AddedToken* AddedTokenMatcher::longest_at(std::string_view text, size_t pos) const {
  // [first, last) are the tokens that agree with the text up to `length`; one that is exactly so
  // long sorts first.
  auto first = tokens_.begin();
  auto last = tokens_.end();
  const AddedToken* longest = nullptr;
  for (size_t length = 0; first != last; ++length) {
    if (first->content.size() == length) longest = &*first++;
    if (pos + length >= text.size()) break;
    const auto byte = static_cast<u8>(text[pos + length]);
    const auto byte_of = [&](const AddedToken& token) {
      return static_cast<u8>(token.content[length]);
    };
    first = std::partition_point(first, last, [&](const auto& t) { return byte_of(t) < byte; });
    last = std::partition_point(first, last, [&](const auto& t) { return byte_of(t) == byte; });
  }
  return longest;
}

void AddedTokenMatcher::split(std::string_view text,
                              FunctionRef<void(TextSegment)> on_segment) const {
  size_t done = 0;  // everything before is in a segment already
  for (size_t pos = 0; pos < text.size();) {
    if (!is_first_byte_[static_cast<u8>(text[pos])]) {
      ++pos;
      continue;
    }
    const AddedToken* const token = longest_at(text, pos);
    if (token == nullptr) {
      ++pos;
      continue;
    }
    size_t begin = pos;
    size_t end = pos + token->content.size();
    // The search goes on behind the token's own text, whether the token is taken or not.
    pos = end;
    if (token->single_word && touches_word(text, begin, end)) continue;
    if (token->lstrip) begin = std::max(white_space_begin(text, begin), done);
    if (token->rstrip) end = white_space_end(text, end);
    if (begin > done) on_segment({text.substr(done, begin - done), -1});
    on_segment({text.substr(begin, end - begin), token->id});
    done = end;
  }
  if (done < text.size()) on_segment({text.substr(done), -1});
}

}  // namespace fathom::tokenizer
