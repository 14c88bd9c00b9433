// Rollouts of a run: which prompts, what their answers earn, how the held-out ones do.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/clock.h"
#include "base/rng.h"
#include "data/permutation.h"
#include "posttrain/grpo/answer_of.h"
#include "posttrain/grpo/grpo.h"
#include "posttrain/grpo/policy_loss.h"

namespace fathom::posttrain {
namespace {

constexpr u64 kOrderStream = 0x70726f6d70740000, kRandomRewardStream = 0x636f696e;

}  // namespace

RolloutConfig Grpo::rollout_config() const {
  return {.group_size = grpo_.group_size,
          .max_new_tokens = grpo_.max_new_tokens,
          .parallel = grpo_.parallel,
          .temperature = grpo_.temperature,
          .end_ids = parts_.stop_ids,
          .routes = has_experts(),
          .f32 = parts_.config.recipe.precision.mode == TrainPrecision::kF32,
          .seed = static_cast<u64>(parts_.config.data.seed)};
}

/// A function of the rollout's number: epoch after epoch, each in an order of its own. What
/// refilling may ask for is set aside for the rollout, so that the prompts of none depend on
/// others'.
std::vector<RolloutPrompt> Grpo::prompts_of(i64 rollout, i64 first, i64 count) const {
  const i64 all = std::ssize(parts_.prompts);
  const i64 begin = rollout * grpo_.prompts * grpo_.minibatches * (1 + grpo_.refill) + first;
  const auto seed = static_cast<u64>(parts_.config.data.seed);
  std::vector<RolloutPrompt> prompts;
  std::optional<data::Permutation> order;
  for (i64 i = begin, epoch = -1; i < begin + count; ++i) {
    if (i / all != epoch) {
      epoch = i / all;
      order.emplace(all, seed, kOrderStream + static_cast<u64>(epoch));
    }
    const i64 number = order->at(i % all);
    prompts.push_back(
        {.prompt = &parts_.prompts[static_cast<size_t>(number)], .number = number, .group = i});
  }
  return prompts;
}

void Grpo::draw_groups(i64 rollout) {
  const i64 groups = grpo_.prompts * grpo_.minibatches, size = grpo_.group_size;
  const auto is_alike = [&](i64 group) {
    const auto of_group =
        std::span(samples_).subspan(static_cast<size_t>(group * size), static_cast<size_t>(size));
    return std::ranges::all_of(of_group, [](const auto& s) { return s.advantage == 0.0; });
  };
  samples_.clear();
  groups_drawn_ = rollout_tokens_ = 0;
  rollout_s_ = 0.0;
  std::vector<i64> places(static_cast<size_t>(groups));  // that are to be filled
  std::iota(places.begin(), places.end(), i64{0});
  for (i64 round = 0; round <= grpo_.refill && !places.empty(); ++round) {
    const i64 count = std::ssize(places);
    const auto prompts = prompts_of(rollout, round * groups, count);
    const Clock::time_point begin = Clock::now();
    auto drawn = roll_out(*ctx_, *policy_, *parts_.tokenizer, prompts, rollout_config());
    rollout_s_ += seconds_since(begin);  // without the judge's time: a rule may run programs
    groups_drawn_ += count;
    for (const PolicySample& sample : drawn) rollout_tokens_ += sample.answer_tokens();
    judge(drawn, parts_.prompts);
    if (round == 0) {
      samples_ = std::move(drawn);
    } else {
      for (size_t i = 0; i < places.size(); ++i) {
        std::move(drawn.begin() + static_cast<i64>(i) * size,
                  drawn.begin() + static_cast<i64>(i + 1) * size,
                  samples_.begin() + places[i] * size);
      }
    }
    std::erase_if(places, [&](i64 group) { return !is_alike(group); });
  }
}

void Grpo::make_rollout(i64 step) {
  draw_groups((step - 1) / steps_per_rollout());
  log_.append(step, samples_, parts_.prompts, *parts_.tokenizer);
  if (steps_per_rollout() > 1) {
    score(samples_, &PolicySample::old_log_probs, Routes::kOfRollout);
  }
  if (!reference_.empty()) score_reference(samples_);
  if (steps_per_rollout() > 1) log_.save_rollout(step, samples_);
}

void Grpo::judge(std::vector<PolicySample>& samples, const std::vector<Prompt>& prompts) const {
  const Philox coins(static_cast<u64>(parts_.config.data.seed), kRandomRewardStream);
  for (PolicySample& sample : samples) {
    const std::string text = answer_text(sample, *parts_.tokenizer);
    const auto draw =
        coins.at(static_cast<u64>(sample.group) << 20 | static_cast<u64>(sample.choice));
    sample.reward = parts_.rewarder->reward(prompts[static_cast<size_t>(sample.prompt)].key,
                                            {.text = text,
                                             .tokens = sample.answer_tokens(),
                                             .truncated = sample.truncated,
                                             .draw = draw[0]});
    sample.kept = !(sample.truncated && grpo_.truncated == GrpoTruncated::kMask);
  }
  const auto group = static_cast<size_t>(grpo_.group_size);
  if (samples.size() % group != 0) return;  // held out: no advantages are asked for
  for (size_t first = 0; first < samples.size(); first += group) {
    std::vector<double> rewards;
    std::vector<bool> kept;
    for (size_t i = first; i < first + group; ++i) {
      rewards.push_back(samples[i].reward.total);
      kept.push_back(samples[i].kept);
    }
    const std::vector<double> advantages = group_advantages(rewards, kept, grpo_.advantage);
    for (size_t i = 0; i < group; ++i) samples[first + i].advantage = advantages[i];
  }
}

void Grpo::measure_held_out() {
  for (const GrpoParts::HeldOut& set : parts_.held_out) {
    std::vector<RolloutPrompt> prompts;
    for (size_t i = 0; i < set.prompts.size(); ++i) {
      prompts.push_back({&set.prompts[i], static_cast<i64>(i), static_cast<i64>(i)});
    }
    for (const bool greedy : {true, false}) {
      RolloutConfig config = rollout_config();
      config.group_size = greedy ? 1 : grpo_.held_out_samples;
      config.temperature = greedy ? 0.0 : 1.0;
      config.routes = false;
      config.seed += 1;  // apart from training's draws, and the same at every step
      auto samples = roll_out(*ctx_, *policy_, *parts_.tokenizer, prompts, config);
      judge(samples, set.prompts);
      i64 right = 0, solved = 0;
      const auto group = static_cast<size_t>(config.group_size);
      for (size_t first = 0; first < samples.size(); first += group) {
        i64 of_group = 0;
        for (size_t i = first; i < first + group; ++i) of_group += samples[i].reward.is_right;
        right += of_group;
        solved += of_group > 0 ? 1 : 0;
      }
      const auto share = [](i64 count, size_t of) {
        return static_cast<double>(count) / static_cast<double>(of);
      };
      held_out_.emplace_back(set.name + (greedy ? "/greedy" : "/pass_at_1"),
                             share(right, samples.size()));
      if (greedy) continue;
      held_out_.emplace_back(fmt::format("{}/pass_at_{}", set.name, group),
                             share(solved, prompts.size()));
    }
  }
}

}  // namespace fathom::posttrain
