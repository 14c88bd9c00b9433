#include "tokenizer/chat/answer/mark_bytes.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "tokenizer/chat/marks.h"

namespace fathom::tokenizer {
namespace {

// Only 0xF5 to 0xFF occur in no text, so formats that never meet share them.
constexpr std::array<std::pair<std::string_view, u8>, 15> kBytes = {{
    {kThinkBegin, 0xF5},
    {kThinkEnd, 0xF6},
    {kCallsBegin, 0xF7},
    {kCallsEnd, 0xF8},
    {kCallBegin, 0xF9},
    {kCallEnd, 0xFA},
    {kToolSep, 0xFB},
    {kKimiCallsBegin, 0xF7},
    {kKimiCallsEnd, 0xF8},
    {kKimiCallBegin, 0xF9},
    {kKimiCallEnd, 0xFA},
    {kKimiArgumentsBegin, 0xFB},
    {kDsmlMark, 0xFC},
    {kToolCallBegin, 0xFD},
    {kToolCallEnd, 0xFE},
}};

}  // namespace

std::string MarkBytes::operator()(std::string_view spelling) const {
  if (!tokens_.contains(spelling)) return std::string(spelling);
  for (const auto& [mark, byte] : kBytes) {
    if (mark == spelling) return std::string(1, static_cast<char>(byte));
  }
  FATHOM_CHECK(false, "a mark without a byte");
  return {};
}

bool MarkBytes::has_token(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_token);
}

std::string MarkBytes::without_tokens(std::string_view text) {
  std::string kept(text);
  std::erase_if(kept, is_token);
  return kept;
}

}  // namespace fathom::tokenizer
