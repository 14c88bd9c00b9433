#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "base/check.h"

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
  if (!problems.empty()) return invalid_input(problems);
  return {};
}

Sampler::Sampler(const SamplingParams& params, std::vector<bool> allowed)
    : params_(params),
      rng_(params.seed, kSamplingStream),
      allowed_(std::move(allowed)),
      seen_(allowed_.size()),
      generated_count_(allowed_.size()) {
  seen_ids_.reserve(allowed_.size());
  candidates_.reserve(allowed_.size());
}

void Sampler::observe_prompt(std::span<const i32> ids) {
  for (const i32 id : ids) {
    const auto index = static_cast<size_t>(id);
    if (index >= seen_.size() || seen_[index]) continue;
    seen_[index] = true;
    seen_ids_.push_back(id);
  }
}

void Sampler::penalise(View<float, 1> logits) const {
  for (const i32 id : seen_ids_) {
    double logit = static_cast<double>(logits(id));
    logit = logit > 0 ? logit / params_.repetition_penalty : logit * params_.repetition_penalty;
    const i32 count = generated_count_[static_cast<size_t>(id)];
    if (count > 0) logit -= params_.presence_penalty + params_.frequency_penalty * count;
    logits(id) = static_cast<float>(logit);
  }
}

i32 Sampler::sample(View<float, 1> logits) {
  FATHOM_CHECK(logits.dim(0) == static_cast<i64>(allowed_.size()), "logits ", logits, " vs ",
               allowed_.size(), " ids");
  penalise(logits);
  const i32 id = draw(logits);
  const i32 as_prompt[] = {id};
  observe_prompt(as_prompt);
  ++generated_count_[static_cast<size_t>(id)];
  ++step_;
  return id;
}

i32 Sampler::draw(View<float, 1> logits) {
  float largest = -std::numeric_limits<float>::infinity();
  i32 best = -1;
  for (i64 id = 0; id < logits.dim(0); ++id) {
    if (allowed_[static_cast<size_t>(id)] && logits(id) > largest) {  // a NaN never wins
      largest = logits(id);
      best = static_cast<i32>(id);
    }
  }
  if (best < 0 || !std::isfinite(largest)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("step {}: no logit is a finite number; the weights hold NaN, "
                            "infinity or numbers too large",
                            step_));
  }
  if (params_.temperature == 0.0) return best;

  const double floor =
      params_.min_p > 0 ? std::log(params_.min_p) : -std::numeric_limits<double>::infinity();
  candidates_.clear();
  for (i64 id = 0; id < logits.dim(0); ++id) {
    if (!allowed_[static_cast<size_t>(id)]) continue;
    // Divided, not multiplied by 1/temperature: the largest stays 0 at any temperature, however
    // small, and the others at worst become -inf.
    const double scaled = (static_cast<double>(logits(id)) - largest) / params_.temperature;
    if (scaled >= floor) candidates_.push_back({static_cast<float>(scaled), static_cast<i32>(id)});
  }
  FATHOM_CHECK(!candidates_.empty(), "step ", step_, ": the best token itself was dropped");
  keep_top_k();
  double total = 0.0;
  for (const Candidate& c : candidates_) total += std::exp(static_cast<double>(c.logit));
  if (params_.top_p < 1.0) total = keep_top_p(total);

  double remaining = rng_.uniform(step_) * total;
  for (const Candidate& c : candidates_) {
    remaining -= std::exp(static_cast<double>(c.logit));
    if (remaining < 0) return c.id;
  }
  return candidates_.back().id;  // rounding: u was within an ulp of 1
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
      mass += std::exp(static_cast<double>(candidates_[sorted].logit));
      if (mass >= params_.top_p * total) {
        candidates_.resize(sorted + 1);
        return mass;
      }
    }
  }
  return mass;
}

}  // namespace fathom::engine
