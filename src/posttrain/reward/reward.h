#pragma once
// What an answer earns, by rules alone.
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "config/run/grpo_config.h"
#include "eval/sandbox/sandbox.h"

namespace fathom::posttrain {

/// The parts of a reward, each by itself, and what they make.
struct Reward {
  double accuracy = 0.0, format = 0.0, language = 0.0, code = 0.0, random = 0.0, overlong = 0.0;
  double total = 0.0;
  /// The right result where one is known, and a program that passes where that is weighed: what
  /// pass rates count, whatever is rewarded.
  bool is_right = false;
};

/// What is known of a prompt beside its text.
struct RewardKey {
  std::string answer;  // the right result; empty: none is given
  std::string tests;   // Python behind the answer's program; empty: none
  bool opens_thought = false;
};

class Rewarder {
 public:
  /// Throws Error{kUnsupported}: reward.code without a sandbox here.
  Rewarder(const RewardConfig& config, i64 max_tokens);

  /// A prompt that no answer could be judged by is refused when it is read, never rewarded.
  [[nodiscard]] Result<void> check(const RewardKey& key) const;

  struct Answer {
    std::string_view text;
    i64 tokens = 0;
    bool truncated = false;
    u64 draw = 0;  // of the random part
  };
  Reward reward(const RewardKey& key, const Answer& answer) const;

 private:
  bool is_accurate(const RewardKey& key, std::string_view text) const;
  bool passes_tests(const RewardKey& key, std::string_view text) const;

  RewardConfig config_;
  i64 max_tokens_;
  std::optional<eval::Sandbox> sandbox_;
};

}  // namespace fathom::posttrain
