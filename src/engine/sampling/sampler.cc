#include "engine/sampling/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/checked_math.h"
#include "engine/sampling/argmax.h"
#include "engine/sampling/softmax_weights.h"
#include "engine/sampling/token_mask.h"

namespace fathom::engine {
namespace {

constexpr u64 kSamplingStream = 0x73616d70;  // keeps draws apart from other uses of the same seed

/// Falling logits; the lower id first among equals, so that the result is deterministic.
constexpr auto kFalling = [](const auto& a, const auto& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
};

/// A penalty near 0 makes numbers of logits that no float holds: they become the largest one, so
/// that an infinity is always a fault of the weights.
float penalised(float before, double logit) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  return static_cast<float>(std::isfinite(before) ? std::clamp(logit, -kLargest, kLargest) : logit);
}

}  // namespace

Result<void> validate(const SamplingParams& p) {
  std::string problems;
  const auto require = [&](bool ok, const char* name, double value, const char* expected) {
    if (ok) return;
    if (!problems.empty()) problems += "; ";
    problems += fmt::format("{} is {}, expected {}", name, value, expected);
  };
  require(p.temperature >= 0 && std::isfinite(p.temperature), "temperature", p.temperature, ">= 0");
  require(p.top_k >= 0, "top_k", static_cast<double>(p.top_k), ">= 0 (0 keeps all)");
  require(p.top_p > 0 && p.top_p <= 1, "top_p", p.top_p, "in (0, 1]");
  require(p.min_p >= 0 && p.min_p <= 1, "min_p", p.min_p, "in [0, 1]");
  require(p.repetition_penalty > 0 && std::isfinite(p.repetition_penalty), "repetition_penalty",
          p.repetition_penalty, "> 0");
  require(std::abs(p.presence_penalty) <= 2, "presence_penalty", p.presence_penalty, "in [-2, 2]");
  require(std::abs(p.frequency_penalty) <= 2, "frequency_penalty", p.frequency_penalty,
          "in [-2, 2]");
  for (const auto& [id, bias] : p.logit_bias) {
    require(std::abs(bias) <= 100, "a logit_bias", bias, "in [-100, 100]");
  }
  if (!problems.empty()) return invalid_input(problems);
  return {};
}

Sampler::Sampler(const SamplingParams& params, i64 vocab_size, i64 num_ids, u64 stream)
    : params_(params),
      rng_(params.seed, kSamplingStream + (stream << 32)),
      num_ids_(std::min(num_ids, vocab_size)),
      seen_(static_cast<size_t>(vocab_size)),
      generated_count_(static_cast<size_t>(vocab_size)) {
  seen_ids_.reserve(static_cast<size_t>(vocab_size));
  if (params.temperature == 0.0) return;
  weights_.resize(static_cast<size_t>(num_ids_));
  sums_.resize(static_cast<size_t>(ceil_div(num_ids_, kWeightBlock)));
  if (params.top_k > 0 || params.top_p < 1.0) candidates_.reserve(static_cast<size_t>(vocab_size));
}

void Sampler::observe_prompt(std::span<const i32> ids) {
  for (const i32 id : ids) {
    const auto index = static_cast<size_t>(id);
    if (index >= seen_.size() || seen_[index]) continue;
    seen_[index] = true;
    seen_ids_.push_back(id);
  }
}

void Sampler::bias_and_penalise(View<float, 1> logits) const {
  for (const auto& [id, bias] : params_.logit_bias) {
    if (id >= 0 && id < num_ids_) logits(id) += static_cast<float>(bias);
  }
  const bool repetition = params_.repetition_penalty != 1.0;
  if (!repetition && params_.presence_penalty == 0.0 && params_.frequency_penalty == 0.0) return;
  for (const i32 id : seen_ids_) {
    const float before = logits(id);
    double logit = static_cast<double>(before);
    logit = logit > 0 ? logit / params_.repetition_penalty : logit * params_.repetition_penalty;
    const i32 count = generated_count_[static_cast<size_t>(id)];
    if (count > 0) logit -= params_.presence_penalty + params_.frequency_penalty * count;
    logits(id) = penalised(before, logit);
  }
}

/// What may not come gets -inf, which nothing below takes.
void Sampler::forbid(View<float, 1> logits, const TokenRules& rules) const {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  for (const i32 id : rules.banned) {
    if (id >= 0 && id < num_ids_) logits(id) = kNever;
  }
  if (rules.only) {
    for (i64 id = 0; id < num_ids_; ++id) {
      if (id != *rules.only) logits(id) = kNever;
    }
    return;
  }
  if (rules.mask == nullptr) return;
  constexpr i64 kIdsAWord = 32;
  for (i64 begin = 0; begin < num_ids_; begin += kIdsAWord) {
    const auto word = static_cast<size_t>(begin / kIdsAWord);
    const i64 count = std::min(kIdsAWord, num_ids_ - begin);
    u32 forbidden = word < rules.mask->size() ? ~(*rules.mask)[word] : ~u32{0};
    if (count < kIdsAWord) forbidden &= (u32{1} << count) - 1;
    for (; forbidden != 0; forbidden &= forbidden - 1) {
      logits(begin + std::countr_zero(forbidden)) = kNever;
    }
  }
}

i32 Sampler::sample(View<float, 1> logits, const TokenRules& rules) {
  FATHOM_CHECK(logits.dim(0) == std::ssize(seen_), "logits ", logits, " vs ", seen_.size(), " ids");
  bias_and_penalise(logits);
  forbid(logits, rules);
  const View<const float, 1> usable(logits.data(), {num_ids_});
  const i32 best = largest(usable);
  const i32 id = params_.temperature == 0.0 ? best : draw(usable, best);
  const i32 as_prompt[] = {id};
  observe_prompt(as_prompt);
  ++generated_count_[static_cast<size_t>(id)];
  ++step_;
  return id;
}

i32 Sampler::largest(View<const float, 1> logits) const {
  const i32 best = argmax({logits.data(), static_cast<size_t>(logits.dim(0))});
  if (best < 0) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("step {}: no logit that may be chosen is a finite number; the weights "
                            "hold NaN, infinity or numbers too large, or nothing is allowed",
                            step_));
  }
  return best;
}

i32 Sampler::draw(View<const float, 1> logits, i32 best) {
  const std::span<const float> all(logits.data(), static_cast<size_t>(num_ids_));
  double total =
      softmax_weights(all, logits(best), params_.temperature, params_.min_p, weights_, sums_);
  const bool is_top_k = params_.top_k > 0 && params_.top_k < num_ids_;
  const double point = rng_.uniform(step_);
  if (!is_top_k && params_.top_p >= 1.0) return draw_of_all(point * total, best);
  candidates_.clear();
  if (is_top_k) {
    collect(logits, top_k_bound(logits), 0.0);
    keep_top_k();
    total = 0.0;
    for (const Candidate& c : candidates_) total += static_cast<double>(c.weight);
  } else {
    // All that weigh less, together, are less than half of what top_p leaves out.
    constexpr float kAny = -std::numeric_limits<float>::infinity();
    collect(logits, kAny, 0.5 * (1.0 - params_.top_p) * total / static_cast<double>(num_ids_));
  }
  if (params_.top_p < 1.0) total = keep_top_p(total);
  return draw_of_candidates(point * total, best);
}

/// Block by block, then one by one.
i32 Sampler::draw_of_all(double remaining, i32 best) const {
  i32 last_possible = best;  // rounding: u was within an ulp of 1, or of a block's end
  for (i64 block = 0; block < std::ssize(sums_); ++block) {
    const double sum = sums_[static_cast<size_t>(block)];
    if (remaining >= sum && block + 1 < std::ssize(sums_)) {
      remaining -= sum;
      continue;
    }
    const i64 end = std::min((block + 1) * kWeightBlock, num_ids_);
    for (i64 id = block * kWeightBlock; id < end; ++id) {
      const float weight = weights_[static_cast<size_t>(id)];
      remaining -= static_cast<double>(weight);
      if (weight > 0) last_possible = static_cast<i32>(id);
      if (remaining < 0) break;
    }
    break;
  }
  return last_possible;
}

i32 Sampler::draw_of_candidates(double remaining, i32 best) const {
  i32 last_possible = best;
  for (const Candidate& c : candidates_) {
    remaining -= static_cast<double>(c.weight);
    if (remaining < 0) return c.id;
    if (c.weight > 0) last_possible = c.id;
  }
  return last_possible;
}

/// Those with a weight, a logit and a weight of at least so much.
void Sampler::collect(View<const float, 1> logits, float least_logit, double least_weight) {
  for (i64 id = 0; id < num_ids_; ++id) {
    const float weight = weights_[static_cast<size_t>(id)];
    if (weight > 0 && logits(id) >= least_logit && static_cast<double>(weight) >= least_weight) {
      candidates_.push_back({.logit = logits(id), .id = static_cast<i32>(id), .weight = weight});
    }
  }
}

/// No more than the logit of the k-th best: that of the k-th best among the best of each block.
float Sampler::top_k_bound(View<const float, 1> logits) {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  if (params_.top_k > std::ssize(sums_)) return static_cast<float>(kNever);
  // The sums of the blocks are not needed where not all are candidates.
  for (i64 block = 0; block < std::ssize(sums_); ++block) {
    const i64 end = std::min((block + 1) * kWeightBlock, num_ids_);
    float most = static_cast<float>(kNever);
    for (i64 id = block * kWeightBlock; id < end; ++id) most = std::max(most, logits(id));
    sums_[static_cast<size_t>(block)] = static_cast<double>(most);
  }
  const auto kth = sums_.begin() + params_.top_k - 1;
  std::nth_element(sums_.begin(), kth, sums_.end(), std::greater<>());
  return static_cast<float>(*kth);
}

void Sampler::keep_top_k() {
  const auto k = static_cast<size_t>(params_.top_k);
  if (k >= candidates_.size()) return;
  std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<i64>(k) - 1,
                   candidates_.end(), kFalling);
  candidates_.resize(k);
}

/// Sorts only as far as the mass reaches: a flat tail of 100,000 tokens is rarely needed.
double Sampler::keep_top_p(double total) {
  double mass = 0.0;
  size_t sorted = 0;
  for (size_t chunk = 64; sorted < candidates_.size(); chunk *= 4) {
    const size_t end = std::min(candidates_.size(), sorted + chunk);
    std::partial_sort(candidates_.begin() + static_cast<i64>(sorted),
                      candidates_.begin() + static_cast<i64>(end), candidates_.end(), kFalling);
    for (; sorted < end; ++sorted) {
      mass += static_cast<double>(candidates_[sorted].weight);
      if (mass >= params_.top_p * total) {
        candidates_.resize(sorted + 1);
        return mass;
      }
    }
  }
  return mass;
}

}  // namespace fathom::engine
