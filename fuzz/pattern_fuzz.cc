// A pre-tokenizer pattern, and after the first NUL a text: whatever matcher is chosen for the
// pattern must find what PCRE2 finds.
#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"
#include "tokenizer/pattern/matcher.h"
#include "tokenizer/unicode/utf8.h"

using namespace fathom;
using namespace fathom::tokenizer;

namespace {

std::vector<Span> matches(const Matcher& matcher, std::string_view text) {
  std::vector<Span> found;
  size_t end = 0;
  matcher.for_each_match(text, [&](Span match) {
    FATHOM_CHECK(match.begin >= end && match.end > match.begin && match.end <= text.size());
    end = match.end;
    found.push_back(match);
  });
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t nul = std::min(input.find('\0'), input.size());
  std::string pattern_storage, text_storage;
  const std::string_view pattern = valid_utf8(input.substr(0, nul), pattern_storage);
  const std::string_view text = valid_utf8(input.substr(std::min(nul + 1, size)), text_storage);
  const Result<Pattern> parsed = parse_pattern(pattern);
  if (!parsed) return 0;
  const auto reference = pcre2_matcher(*parsed);
  const auto chosen = matcher_for(pattern);
  if (!reference || !chosen) return 0;
  try {
    FATHOM_CHECK(matches(**chosen, text) == matches(**reference, text), "pattern ", pattern, " in ",
                 text);
  } catch (const Error& error) {
    FATHOM_CHECK(error.code() == ErrorCode::kUnsupported, error.message());
  }
  return 0;
}
