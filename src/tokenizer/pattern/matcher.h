#pragma once
// What finds the matches of one Split stage. The hand-written kinds are linear in the text; all
// must find what Oniguruma finds, which the differential tests check against PCRE2 and the golden
// files against Hugging Face.
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/types.h"
#include "tokenizer/pattern/pattern.h"

namespace fathom::tokenizer {

struct Span {
  size_t begin = 0;
  size_t end = 0;  // exclusive

  bool operator==(const Span&) const = default;
};

class Matcher {
 public:
  virtual ~Matcher() = default;
  /// Calls on_match for every match in `text` (valid UTF-8), left to right, none empty, none
  /// overlapping. Thread-safe.
  virtual void for_each_match(std::string_view text, FunctionRef<void(Span)> on_match) const = 0;
};

/// The third split of DeepSeek-V3 (words, punctuation runs, white space); see word_matchers.cc.
extern const std::string_view kDeepSeekV3WordPattern;
std::unique_ptr<Matcher> deepseek_v3_word_matcher();

/// The split of Llama-3; see word_matchers.cc.
extern const std::string_view kLlama3Pattern;
std::unique_ptr<Matcher> llama3_matcher();

/// For patterns of the shape  prefix? body{min,max}  (all of DeepSeek-LLM's and DeepSeek-V3's other
/// splits, Digits) and  body+ $ ; nullptr if `pattern` has another shape.
std::unique_ptr<Matcher> class_run_matcher(const Pattern& pattern);

/// Any pattern, by PCRE2's JIT; the reference for the others. Refuses a pattern that can match the
/// empty text. for_each_match throws Error(kUnsupported) when one match takes more than
/// kMaxMatchSteps backtracking steps: the pattern comes from a file nobody vouches for.
Result<std::unique_ptr<Matcher>> pcre2_matcher(const Pattern& pattern);
inline constexpr u32 kMaxMatchSteps = 10'000'000;

/// The fastest of the above for a pattern as a tokenizer.json spells it.
Result<std::unique_ptr<Matcher>> matcher_for(std::string_view pattern);

}  // namespace fathom::tokenizer
