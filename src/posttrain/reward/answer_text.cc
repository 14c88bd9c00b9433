#include "posttrain/reward/answer_text.h"

#include <algorithm>

#include "eval/text/boxed.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::posttrain {
namespace {

constexpr std::string_view kThink = "<think>", kThinkEnd = "</think>";
constexpr std::string_view kAnswer = "<answer>", kAnswerEnd = "</answer>";
constexpr size_t kLongestResult = 1000;

std::string_view stripped(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
}

size_t count_of(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) {
    ++count;
  }
  return count;
}

/// Between the last `open` and the `close` behind it.
std::optional<std::string_view> last_between(std::string_view text, std::string_view open,
                                             std::string_view close) {
  const size_t begin = text.rfind(open);
  if (begin == text.npos) return std::nullopt;
  const size_t end = text.find(close, begin + open.size());
  if (end == text.npos) return std::nullopt;
  return text.substr(begin + open.size(), end - begin - open.size());
}

/// `text` without what stands between each `open` and the `close` behind it.
std::string without(std::string_view text, std::string_view open, std::string_view close) {
  std::string result;
  while (true) {
    const size_t begin = text.find(open);
    if (begin == text.npos) break;
    const size_t end = text.find(close, begin + open.size());
    if (end == text.npos) break;
    result += text.substr(0, begin);
    result += ' ';
    text.remove_prefix(end + close.size());
  }
  return result += text;
}

bool is_latin(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0x24F);
}
bool is_chinese(char32_t c) { return c >= 0x4E00 && c <= 0x9FFF; }
/// Letters of any other script begin there.
bool is_other_letter(char32_t c) { return c >= 0x370 && c < 0x2000; }

}  // namespace

AnswerParts split_thought(std::string_view text, bool opens_thought) {
  AnswerParts parts;
  const size_t open = text.find(kThink);
  parts.has_thought = opens_thought || open != text.npos;
  if (!parts.has_thought) {
    parts.rest = text;
    return parts;
  }
  const size_t begin = opens_thought ? 0 : open + kThink.size();
  const size_t end = text.rfind(kThinkEnd);
  parts.ends = end != text.npos && end >= begin;
  if (!parts.ends) {
    parts.thought = text.substr(begin);
    return parts;
  }
  parts.thought = text.substr(begin, end - begin);
  parts.rest = text.substr(end + kThinkEnd.size());
  return parts;
}

std::optional<std::string> extract_result(AnswerPlace place, std::string_view mark,
                                          std::string_view text, bool opens_thought) {
  const AnswerParts parts = split_thought(text, opens_thought);
  if (!parts.ends) return std::nullopt;
  std::optional<std::string> result;
  switch (place) {
    case AnswerPlace::kWhole:
      result = std::string(stripped(parts.rest));
      break;
    case AnswerPlace::kBehindMark:
      if (const size_t at = parts.rest.rfind(mark); at != parts.rest.npos) {
        result = std::string(stripped(parts.rest.substr(at + mark.size())));
      }
      break;
    case AnswerPlace::kBoxed:
      result = eval::last_boxed(parts.rest);
      break;
    case AnswerPlace::kTag:
      if (const auto found = last_between(parts.rest, kAnswer, kAnswerEnd)) {
        result = std::string(stripped(*found));
      }
      break;
  }
  if (result && (result->empty() || result->size() > kLongestResult)) return std::nullopt;
  return result;
}

bool is_well_formed(std::string_view text, bool opens_thought) {
  text = stripped(text);
  const size_t opened = count_of(text, kThink);
  if (opened != (opens_thought ? 0u : 1u) || count_of(text, kThinkEnd) != 1 ||
      count_of(text, kAnswer) != 1 || count_of(text, kAnswerEnd) != 1) {
    return false;
  }
  if (!opens_thought) {
    if (!text.starts_with(kThink)) return false;
    text.remove_prefix(kThink.size());
  }
  const size_t end = text.find(kThinkEnd);
  const std::string_view rest = stripped(text.substr(end + kThinkEnd.size()));
  if (stripped(text.substr(0, end)).empty() || !rest.starts_with(kAnswer) ||
      !rest.ends_with(kAnswerEnd)) {
    return false;
  }
  return !stripped(rest.substr(kAnswer.size(), rest.size() - kAnswer.size() - kAnswerEnd.size()))
              .empty();
}

double language_share(std::string_view text, std::string_view language) {
  std::string words = without(text, "```", "```");
  for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{"$$", "$$"},
                                    {"$", "$"},
                                    {"`", "`"},
                                    {"\\(", "\\)"},
                                    {"\\[", "\\]"}}) {
    words = without(words, open, close);
  }
  i64 english = 0, chinese = 0, other = 0;
  bool in_latin = false, in_other = false;
  for (size_t at = 0; at < words.size();) {
    const auto point = tokenizer::decode_utf8(words, at);
    at += static_cast<size_t>(point.num_bytes);
    const bool latin = is_latin(point.value), foreign = is_other_letter(point.value);
    english += latin && !in_latin ? 1 : 0;
    other += foreign && !in_other ? 1 : 0;
    chinese += is_chinese(point.value) ? 1 : 0;
    in_latin = latin;
    in_other = foreign;
  }
  const i64 all = english + chinese + other;
  if (all == 0) return 0.0;
  return static_cast<double>(language == "zh" ? chinese : english) / static_cast<double>(all);
}

std::optional<std::string> last_program(std::string_view text, bool opens_thought) {
  const AnswerParts parts = split_thought(text, opens_thought);
  if (!parts.ends) return std::nullopt;
  constexpr std::string_view kFence = "```";
  const size_t close = parts.rest.rfind(kFence);
  if (close == parts.rest.npos || close == 0) return std::nullopt;
  const size_t open = parts.rest.rfind(kFence, close - 1);
  if (open == parts.rest.npos || open + kFence.size() > close) return std::nullopt;
  std::string_view block = parts.rest.substr(open + kFence.size(), close - open - kFence.size());
  const size_t line = block.find('\n');
  if (line == block.npos) return std::nullopt;
  const std::string_view word = stripped(block.substr(0, line));
  if (!word.empty() && word != "python" && word != "py") return std::nullopt;
  return std::string(block.substr(line + 1));
}

}  // namespace fathom::posttrain
