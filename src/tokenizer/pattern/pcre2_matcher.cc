#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/check.h"
#include "tokenizer/pattern/matcher.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kMaxExpandedPatternBytes = size_t{1} << 20;
constexpr u32 kMaxMatchHeapKib = 64 * 1024;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Code = std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Deleter<pcre2_compile_context_free>>;

std::string message_of(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

template <typename T>
T* not_null(T* pointer) {
  if (pointer == nullptr) throw Error(ErrorCode::kOutOfMemory, "PCRE2 could not allocate memory");
  return pointer;
}

class Pcre2Matcher final : public Matcher {
 public:
  explicit Pcre2Matcher(Code code)
      : code_(std::move(code)), context_(not_null(pcre2_match_context_create(nullptr))) {
    // Without JIT (a hardened kernel may forbid it) the interpreter gives the same matches, slower.
    has_jit_ = pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE) == 0;
    pcre2_set_match_limit(context_.get(), kMaxMatchSteps);
    pcre2_set_heap_limit(context_.get(), kMaxMatchHeapKib);
  }

  void for_each_match(std::string_view text, FunctionRef<void(Span)> on_match) const override {
    const MatchData data(not_null(pcre2_match_data_create(1, nullptr)));
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    for (size_t pos = 0; pos < text.size();) {
      const int status = match(subject, text.size(), pos, data.get());
      if (status == PCRE2_ERROR_NOMATCH) return;
      if (status < 0) {
        throw Error(
            ErrorCode::kUnsupported,
            fmt::format("a pre-tokenizer pattern of tokenizer.json cannot split this text: {}",
                        message_of(status)));
      }
      const PCRE2_SIZE* const bounds = pcre2_get_ovector_pointer(data.get());
      FATHOM_CHECK(bounds[1] > bounds[0], "empty match at ", bounds[0]);
      on_match({bounds[0], bounds[1]});
      pos = bounds[1];
    }
  }

 private:
  int match(PCRE2_SPTR subject, size_t size, size_t pos, pcre2_match_data* data) const {
    if (has_jit_) {
      const int status = pcre2_jit_match(code_.get(), subject, size, pos, PCRE2_NO_UTF_CHECK, data,
                                         context_.get());
      if (status != PCRE2_ERROR_JIT_STACKLIMIT) return status;
    }
    // The interpreter backtracks on the heap, where there is more room than on the JIT's stack.
    return pcre2_match(code_.get(), subject, size, pos, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                       context_.get());
  }

  Code code_;
  MatchContext context_;
  bool has_jit_ = false;
};

}  // namespace

Result<std::unique_ptr<Matcher>> pcre2_matcher(const Pattern& pattern) {
  const std::string text = pcre2_text(pattern);
  if (text.size() > kMaxExpandedPatternBytes) {
    return unsupported("the pattern's character classes are too large together");
  }
  const CompileContext context(not_null(pcre2_compile_context_create(nullptr)));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE error_offset = 0;
  // Oniguruma's ^ and $ always mean line ends; classes are explicit, so PCRE2_UCP is not needed.
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                          PCRE2_UTF | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                          &error_offset, context.get()));
  if (!code) return unsupported(fmt::format("the pattern does not compile: {}", message_of(error)));
  u32 can_match_empty = 0;
  pcre2_pattern_info(code.get(), PCRE2_INFO_MATCHEMPTY, &can_match_empty);
  if (can_match_empty != 0) return unsupported("a pattern that can match nothing is not supported");
  return std::make_unique<Pcre2Matcher>(std::move(code));
}

Result<std::unique_ptr<Matcher>> matcher_for(std::string_view pattern) {
  // Published files write a line break in a class as the character itself as well as \r or \n.
  std::string spelled;
  for (const char c : pattern) {
    if (c == '\r' || c == '\n') {
      spelled += c == '\r' ? "\\r" : "\\n";
    } else {
      spelled += c;
    }
  }
  if (spelled == kDeepSeekV3WordPattern) return deepseek_v3_word_matcher();
  if (spelled == kLlama3Pattern) return llama3_matcher();
  const Result<Pattern> items = parse_pattern(pattern);
  if (!items) return tl::unexpected(items.error());
  if (std::unique_ptr<Matcher> matcher = class_run_matcher(*items)) return matcher;
  return pcre2_matcher(*items);
}

}  // namespace fathom::tokenizer
