#pragma once
// The part of an answer that the model thinks before it speaks.
#include <limits>
#include <optional>

#include "base/types.h"

namespace fathom::engine {

/// An answer that begins inside a thought.
struct ThinkingParams {
  i32 end_id = -1;  // the token that ends the thought, of the vocabulary
  /// Once the thought has so many tokens, end_id is the only one that may come; >= 0.
  i64 max_tokens = std::numeric_limits<i64>::max();
};

/// Where one sequence is in its thought. A small value: whoever looks ahead along drafts walks a
/// copy.
class Thought {
 public:
  /// Without params: over before the first token.
  explicit Thought(const std::optional<ThinkingParams>& params)
      : params_(params.value_or(ThinkingParams{})), open_(params.has_value()) {}

  /// The next token belongs to it.
  bool open() const { return open_; }
  /// The next token can only be this one, if there is one.
  std::optional<i32> forced_id() const {
    const bool must_end = open_ && tokens_ >= params_.max_tokens;
    return must_end ? std::optional(params_.end_id) : std::nullopt;
  }
  void accept(i32 id) {
    if (!open_) return;
    open_ = id != params_.end_id;
    ++tokens_;
  }
  /// Its tokens, the one that ended it among them.
  i64 tokens() const { return tokens_; }

 private:
  ThinkingParams params_;
  bool open_;
  i64 tokens_ = 0;
};

}  // namespace fathom::engine
