#pragma once
// Cuts text into the pieces inside which BPE merges: the "pre_tokenizer" of a tokenizer.json, as a
// sequence of splitting stages, each applied to the pieces of the one before.
//
// Supported: Sequence, Split (Regex or String pattern; every behavior; invert), Digits, and
// ByteLevel, which must come last. Known patterns (DeepSeek-V3, DeepSeek-LLM/V2, Llama-3) run as
// hand-written linear matchers; any other goes through PCRE2, with its character classes expanded
// to the Unicode version of unicode.h, so that the answer does not depend on the PCRE2 installed.
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/function_ref.h"

namespace fathom::io {
class JsonValue;
}

namespace fathom::tokenizer {

class PreTokenizer {
 public:
  /// The three splits of DeepSeek-V3 and byte level without a prefix space.
  /// Source: DeepSeek-V3 §4.1; the published tokenizer.json.
  static PreTokenizer deepseek_v3();

  /// Reads the value of "pre_tokenizer". `where` opens every error message ("DIR/tokenizer.json").
  /// kUnsupported names the type, behavior or pattern syntax that is not handled.
  static Result<PreTokenizer> from_json(const io::JsonValue& value, std::string_view where);

  /// The value it was made from, for saving.
  const io::JsonValue& json() const;

  /// Calls on_piece(std::string_view) for each non-empty piece in order. `text` must be valid UTF-8
  /// (utf8.h). The pieces are raw bytes, not the byte alphabet's spelling; unless ByteLevel adds
  /// prefix spaces, their concatenation is `text`. A piece may live in a buffer that the next call
  /// reuses. Throws Error(kUnsupported) when a foreign pattern exceeds PCRE2's match limit.
  /// Thread-safe.
  void split(std::string_view text, FunctionRef<void(std::string_view)> on_piece) const;

 private:
  struct Stages;
  explicit PreTokenizer(std::shared_ptr<const Stages> stages) : stages_(std::move(stages)) {}

  // Shared because it is immutable and a tokenizer's copies (one a worker) need not compile again.
  std::shared_ptr<const Stages> stages_;
};

}  // namespace fathom::tokenizer
