// Matches  prefix? body{min,max}  and  body+ $  in one pass, without backtracking over long runs.
#include <array>
#include <optional>

#include "tokenizer/pattern/matcher.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

struct ClassRun {
  std::optional<CodePointSet> prefix;  // at most one character of it before the body
  CodePointSet body;
  u32 min = 1;
  u32 max = Quantifier::kUnbounded;
  bool to_line_end = false;  // the run must reach the end of the text or a line break
};

std::optional<ClassRun> class_run_of(const Pattern& pattern) {
  constexpr Quantifier kOptional = {.min = 0, .max = 1};
  // A larger minimum would scan every run that is too short more than a few times.
  constexpr u32 kMaxMin = 8;
  ClassRun run;
  size_t next = 0;
  const auto is_set = [&](size_t i) { return i < pattern.size() && pattern[i].structure.empty(); };
  if (pattern.size() >= 2 && is_set(0) && pattern[0].repeat == kOptional && is_set(1)) {
    run.prefix = pattern[next++].set;
  }
  if (!is_set(next)) return std::nullopt;
  const PatternItem& body = pattern[next++];
  if (body.repeat.mode != Quantifier::Mode::kGreedy) return std::nullopt;
  run.body = body.set;
  run.min = body.repeat.min;
  run.max = body.repeat.max;
  if (run.min < 1 || run.min > kMaxMin) return std::nullopt;
  if (next < pattern.size() && pattern[next].structure == "$") {
    // With a prefix or bounds the engine could give characters back to reach a line end.
    if (run.prefix || run.min != 1 || run.max != Quantifier::kUnbounded) return std::nullopt;
    run.to_line_end = true;
    ++next;
  }
  if (next != pattern.size()) return std::nullopt;
  return run;
}

/// For each first byte: may a character that starts so be in `set`? Continuation bytes never.
std::array<bool, 256> first_bytes_of(const CodePointSet& set) {
  std::array<bool, 256> first_bytes{};
  std::string encoded;
  for (const CodePointRange& range : set.ranges()) {
    // First bytes ascend with the code point, so those of both ends bound all between.
    const auto first_byte = [&](char32_t c) {
      encoded.clear();
      append_utf8(c, encoded);
      return static_cast<size_t>(static_cast<u8>(encoded[0]));
    };
    for (size_t byte = first_byte(range.first); byte <= first_byte(range.last); ++byte) {
      if (byte < 0x80 || byte >= 0xC2) first_bytes[byte] = true;
    }
  }
  return first_bytes;
}

class ClassRunMatcher final : public Matcher {
 public:
  explicit ClassRunMatcher(ClassRun run)
      : run_(std::move(run)),
        starts_(first_bytes_of(run_.prefix ? run_.body.unite(*run_.prefix) : run_.body)) {}

  void for_each_match(std::string_view text, FunctionRef<void(Span)> on_match) const override {
    for (size_t pos = next_start(text, 0); pos < text.size(); pos = next_start(text, pos)) {
      const size_t end = run_.to_line_end ? line_end_match(text, pos) : match_end(text, pos);
      if (end > pos) {
        on_match({pos, end});
        pos = end;
      } else if (run_.to_line_end) {
        // No line end in this run: none of its other characters can start a match either.
        const size_t run_end = body_end(text, pos, Quantifier::kUnbounded).end;
        pos = run_end > pos ? run_end : pos + decode_utf8(text, pos).num_bytes;
      } else {
        pos += decode_utf8(text, pos).num_bytes;
      }
    }
  }

 private:
  struct Run {
    size_t end = 0;
    u32 count = 0;
  };

  size_t next_start(std::string_view text, size_t pos) const {
    while (pos < text.size() && !starts_[static_cast<u8>(text[pos])]) ++pos;
    return pos;
  }

  Run body_end(std::string_view text, size_t pos, u32 max) const {
    Run run{.end = pos, .count = 0};
    while (run.end < text.size() && run.count < max) {
      const CodePoint c = decode_utf8(text, run.end);
      if (!run_.body.contains(c.value)) break;
      run.end += c.num_bytes;
      ++run.count;
    }
    return run;
  }

  /// End of the match at pos, or pos if there is none.
  size_t match_end(std::string_view text, size_t pos) const {
    if (run_.prefix) {
      const CodePoint c = decode_utf8(text, pos);
      if (run_.prefix->contains(c.value)) {
        const Run run = body_end(text, pos + c.num_bytes, run_.max);
        if (run.count >= run_.min) return run.end;
      }
    }
    const Run run = body_end(text, pos, run_.max);
    return run.count >= run_.min ? run.end : pos;
  }

  size_t line_end_match(std::string_view text, size_t pos) const {
    const size_t end = body_end(text, pos, Quantifier::kUnbounded).end;
    if (end == text.size()) return end;
    // `$` holds before a line break: the last one that the run touches, if not at its start.
    for (size_t i = end + 1; i-- > pos + 1;) {
      if (text[i] == '\n') return i;
    }
    return pos;
  }

  ClassRun run_;
  std::array<bool, 256> starts_;
};

}  // namespace

std::unique_ptr<Matcher> class_run_matcher(const Pattern& pattern) {
  std::optional<ClassRun> run = class_run_of(pattern);
  if (!run) return nullptr;
  return std::make_unique<ClassRunMatcher>(std::move(*run));
}

}  // namespace fathom::tokenizer
