#pragma once
// Which rank a request goes to: the one whose cache has most of its text, unless that has too much
// to do already.
#include <deque>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/types.h"

namespace fathom::engine {

struct PrefixRouterOptions {
  /// Texts are told apart in steps of so many tokens.
  i64 step_tokens = 32;
  /// Requests more than the least loaded rank has, that a known text is worth.
  i64 patience = 4;
  /// Steps of texts that are remembered; the oldest are forgotten first.
  i64 capacity = i64{1} << 16;
};

/// Hashes of the beginnings of a text, each a step longer. tenant and salt are in all of them.
std::vector<u64> prefix_keys(std::string_view tenant, std::string_view salt,
                             std::span<const i32> ids, i64 step_tokens);

/// Remembers where texts went, by hashes of their beginnings, tenant and salt among them as in the
/// cache. A wrong guess (the pages were evicted) costs time alone. For one thread.
class PrefixRouter {
 public:
  explicit PrefixRouter(i64 ranks, const PrefixRouterOptions& options = {});

  /// `loads` [ranks]: requests that each has. Ties: the least loaded, then the one that
  /// was chosen least often.
  i64 choose(std::string_view tenant, std::string_view salt, std::span<const i32> ids,
             std::span<const i64> loads);
  /// The same, of prefix_keys() with the options' step_tokens.
  i64 choose(std::span<const u64> keys, std::span<const i64> loads);
  /// A rank that comes back: of new texts it had as many as that of `among` with the fewest, or it
  /// would get all of them until it had.
  void level(i64 rank, std::span<const i64> among);
  /// Of texts that were chosen for: steps whose rank was known, and all.
  i64 known_steps() const { return known_steps_; }
  i64 all_steps() const { return all_steps_; }
  i64 remembered() const { return std::ssize(ranks_of_); }

 private:
  struct Place {
    i64 rank = 0;
    u64 stamp = 0;
  };
  void remember(u64 key, i64 rank);
  i64 least_chosen(std::span<const i64> loads, i64 load) const;

  i64 ranks_;
  PrefixRouterOptions options_;
  std::vector<i64> chosen_;                  // [ranks]: how often
  std::unordered_map<u64, Place> ranks_of_;  // by the hash of a beginning
  std::deque<std::pair<u64, u64>> by_age_;   // (hash, stamp); stale if the stamp is another one
  u64 stamps_ = 0;
  i64 known_steps_ = 0, all_steps_ = 0;
};

}  // namespace fathom::engine
