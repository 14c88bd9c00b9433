#include "posttrain/reward/reward.h"

#include <fmt/format.h>

#include "eval/metric/math_equal.h"
#include "posttrain/grpo/policy_loss.h"
#include "posttrain/reward/answer_text.h"

namespace fathom::posttrain {

Rewarder::Rewarder(const RewardConfig& config, i64 max_tokens)
    : config_(config), max_tokens_(max_tokens) {
  if (config_.code > 0.0) sandbox_ = value_or_throw(eval::Sandbox::build());
}

Result<void> Rewarder::check(const RewardKey& key) const {
  if (config_.accuracy > 0.0) {
    if (key.answer.find_first_not_of(" \t\r\n") == std::string::npos) {
      return invalid_input("answer: missing or empty, and reward.accuracy needs one");
    }
    constexpr size_t kLongest = 1000;
    if (key.answer.size() > kLongest) {
      return invalid_input(fmt::format("answer: {} bytes, expected a result of at most {}",
                                       key.answer.size(), kLongest));
    }
    const bool is_boxed = key.answer.find("\\boxed") != std::string::npos;
    if (is_boxed || eval::math_equal(key.answer, key.answer) != eval::Verdict::kEqual) {
      return invalid_input(
          fmt::format("answer: \"{}\" is no result that an answer can be held "
                      "against",
                      key.answer));
    }
  }
  if (config_.code > 0.0 && key.tests.empty()) {
    return invalid_input("tests: missing, and reward.code needs some");
  }
  return {};
}

bool Rewarder::is_accurate(const RewardKey& key, std::string_view text) const {
  const auto result = extract_result(config_.answer, config_.mark, text, key.opens_thought);
  if (!result) return false;
  if (*result == key.answer) return true;
  const bool is_formula =
      config_.answer == AnswerPlace::kBoxed || config_.answer == AnswerPlace::kTag;
  return is_formula && eval::math_equal(*result, key.answer) == eval::Verdict::kEqual;
}

bool Rewarder::passes_tests(const RewardKey& key, std::string_view text) const {
  const auto program = last_program(text, key.opens_thought);
  if (!program) return false;
  return sandbox_->run("python", *program + "\n" + key.tests, {}).passed;
}

Reward Rewarder::reward(const RewardKey& key, const Answer& answer) const {
  Reward reward;
  reward.overlong =
      overlong_penalty(answer.tokens, max_tokens_, config_.overlong_buffer, answer.truncated);
  reward.random = static_cast<double>(answer.draw & 1);
  reward.total = config_.random * reward.random + reward.overlong;
  if (answer.truncated) {
    reward.total = reward.overlong;
    return reward;
  }
  const bool accurate = !key.answer.empty() && is_accurate(key, answer.text);
  const bool passes = config_.code > 0.0 && passes_tests(key, answer.text);
  reward.accuracy = accurate ? 1.0 : 0.0;
  reward.code = passes ? 1.0 : 0.0;
  reward.is_right =
      (accurate || key.answer.empty()) && (passes || config_.code == 0.0) && (accurate || passes);
  reward.format = is_well_formed(answer.text, key.opens_thought) ? 1.0 : 0.0;
  if (config_.language > 0.0) {
    const AnswerParts parts = split_thought(answer.text, key.opens_thought);
    reward.language =
        language_share(parts.has_thought ? parts.thought : parts.rest, config_.target_language);
  }
  const double earned = config_.accuracy * reward.accuracy + config_.code * reward.code +
                        config_.language * reward.language;
  if (config_.join == RewardJoin::kSum) {
    reward.total += earned + config_.format * reward.format;
  } else if (reward.format > 0.0) {
    reward.total += earned;
  }
  return reward;
}

}  // namespace fathom::posttrain
