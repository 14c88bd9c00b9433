#pragma once
#include <span>
#include <vector>

#include "base/types.h"

namespace fathom::engine {

/// What a grammar, or any other rule, lets a sequence say next. One per sequence; called by the
/// engine's thread alone. Accepting what a draft proposes and rolling it back must leave it as it
/// was.
class TokenMask {
 public:
  virtual ~TokenMask() = default;

  /// Bit i % 32 of word i / 32: token i may come next. The words stay until the next call of
  /// another function. Ids beyond the words may not.
  virtual std::span<const u32> allowed() = 0;
  /// `id`, which was allowed, came.
  virtual void accept(i32 id) = 0;
  /// The last `count` accepted tokens did not come.
  virtual void roll_back(i64 count) = 0;
  /// Tokens that are to come next, one after the other, whatever the model prefers: allowed() names
  /// each of them alone. Known ahead, they share a pass. At most `limit`.
  virtual std::vector<i32> forced_run(i64 limit) {
    static_cast<void>(limit);
    return {};
  }
  /// Nothing but the end may come: the sequence finishes here.
  virtual bool complete() const = 0;
};

/// Is token `id` among `allowed`?
inline bool allows(std::span<const u32> allowed, i32 id) {
  const auto word = static_cast<size_t>(id) / 32;
  return word < allowed.size() && (allowed[word] >> (static_cast<u32>(id) % 32) & 1) != 0;
}

}  // namespace fathom::engine
