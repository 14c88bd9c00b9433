#include "engine/sampling/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "base/check.h"
#include "engine/sampling/argmax.h"
#include "engine/sampling/token_mask.h"

namespace fathom::engine {
namespace {

constexpr u64 kSamplingStream = 0x73616d70;  // keeps draws apart from other uses of the same seed

/// Falling logits; the lower id first among equals, so that the result is deterministic.
constexpr auto kFalling = [](const auto& a, const auto& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
};

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
  if (params.temperature > 0) candidates_.reserve(static_cast<size_t>(vocab_size));
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
    double logit = static_cast<double>(logits(id));
    logit = logit > 0 ? logit / params_.repetition_penalty : logit * params_.repetition_penalty;
    const i32 count = generated_count_[static_cast<size_t>(id)];
    if (count > 0) logit -= params_.presence_penalty + params_.frequency_penalty * count;
    logits(id) = static_cast<float>(logit);
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
  for (i64 id = 0; id < num_ids_; ++id) {
    if (!allows(*rules.mask, static_cast<i32>(id))) logits(id) = kNever;
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
  const double largest = static_cast<double>(logits(best));
  const double floor =
      params_.min_p > 0 ? std::log(params_.min_p) : -std::numeric_limits<double>::infinity();
  candidates_.clear();
  for (i64 id = 0; id < logits.dim(0); ++id) {
    // Divided, not multiplied by 1/temperature: the largest stays 0 at any temperature, however
    // small, and the others at worst become -inf, which no draw reaches.
    const double scaled = (static_cast<double>(logits(id)) - largest) / params_.temperature;
    if (scaled >= floor) candidates_.push_back({static_cast<float>(scaled), static_cast<i32>(id)});
  }
  FATHOM_CHECK(!candidates_.empty(), "step ", step_, ": the best token itself was dropped");
  keep_top_k();
  double total = 0.0;
  for (Candidate& c : candidates_) total += c.weight = std::exp(static_cast<double>(c.logit));
  if (params_.top_p < 1.0) total = keep_top_p(total);

  double remaining = rng_.uniform(step_) * total;
  i32 last_possible = best;
  for (const Candidate& c : candidates_) {
    remaining -= c.weight;
    if (remaining < 0) return c.id;
    if (c.weight > 0) last_possible = c.id;
  }
  return last_possible;  // rounding: u was within an ulp of 1
}

void Sampler::keep_top_k() {
  const auto k = static_cast<size_t>(params_.top_k);
  if (k == 0 || k >= candidates_.size()) return;
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
      mass += candidates_[sorted].weight;
      if (mass >= params_.top_p * total) {
        candidates_.resize(sorted + 1);
        return mass;
      }
    }
  }
  return mass;
}

}  // namespace fathom::engine
