#include "posttrain/distill/divergence.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace fathom::posttrain {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();
constexpr double kFarthest = 10.0;  // of |log q - log p| in the reverse divergence

/// A bin's part of the divergence, and q dD/dq.
struct Bin {
  double value = 0.0, slope = 0.0;
};

Bin forward_bin(double log_p, double log_q) {
  if (log_p == kNothing) return {};
  const double p = std::exp(log_p);
  return {.value = p * (log_p - log_q), .slope = -p};
}

Bin reverse_bin(double log_p, double log_q) {
  if (log_q == kNothing) return {};
  const double q = std::exp(log_q), difference = log_q - log_p;
  // Beyond the bound the difference counts as a constant.
  const double held = std::clamp(difference, -kFarthest, kFarthest);
  return {.value = q * held, .slope = q * (held + (held == difference ? 1.0 : 0.0))};
}

Bin jensen_shannon_bin(double beta, double log_p, double log_q) {
  const double p = std::exp(log_p), q = std::exp(log_q), m = beta * p + (1.0 - beta) * q;
  if (m == 0.0) return {};
  const double log_m = std::log(m);
  Bin bin;
  if (p > 0.0) bin.value += beta * p * (log_p - log_m);
  if (q > 0.0) {
    bin.value += (1.0 - beta) * q * (log_q - log_m);
    bin.slope = (1.0 - beta) * q * (log_q - log_m);
  }
  return bin;
}

Bin bin_of(Divergence kind, double beta, double log_p, double log_q) {
  switch (kind) {
    case Divergence::kForward:
      return forward_bin(log_p, log_q);
    case Divergence::kReverse:
      return reverse_bin(log_p, log_q);
    case Divergence::kJensenShannon:
      break;
  }
  return jensen_shannon_bin(beta, log_p, log_q);
}

}  // namespace

void log_softmax(std::span<const float> logits, double temperature, std::span<float> log_probs) {
  const double inverse = 1.0 / temperature;
  const double largest = static_cast<double>(*std::ranges::max_element(logits)) * inverse;
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) * inverse - largest);
  const double log_sum = largest + std::log(sum);
  for (size_t v = 0; v < logits.size(); ++v) {
    log_probs[v] = static_cast<float>(static_cast<double>(logits[v]) * inverse - log_sum);
  }
}

double divergence(Divergence kind, double beta, const TeacherToken& teacher,
                  std::span<const float> log_probs, std::span<float> slopes) {
  // The student's mass of the others is summed, not one minus the k: that would leave nothing of it
  // where the student is sure. `slopes` holds q of them until the sums are known.
  for (size_t v = 0; v < slopes.size(); ++v) slopes[v] = std::exp(log_probs[v]);
  for (const i32 id : teacher.ids) {
    FATHOM_CHECK(id >= 0 && id < std::ssize(slopes), "the teacher names id ", id, " of ",
                 slopes.size());
    slopes[static_cast<size_t>(id)] = 0.0f;
  }
  double rest = 0.0;
  for (const float q : slopes) rest += static_cast<double>(q);
  Bin sum;
  double share = 0.0;  // the slope of the others' bin goes to them by their share of its mass
  if (teacher.ids.size() < slopes.size()) {
    const double log_rest = rest > 0.0 ? std::log(rest) : -1e3;
    const Bin bin = bin_of(kind, beta, static_cast<double>(teacher.rest), log_rest);
    if (rest > 0.0) share = bin.slope / rest;
    sum = bin;
  }
  for (float& slope : slopes) slope = static_cast<float>(share * static_cast<double>(slope));
  for (size_t k = 0; k < teacher.ids.size(); ++k) {
    const auto v = static_cast<size_t>(teacher.ids[k]);
    const Bin bin = bin_of(kind, beta, static_cast<double>(teacher.log_probs[k]),
                           static_cast<double>(log_probs[v]));
    slopes[v] = static_cast<float>(bin.slope);
    sum.value += bin.value;
    sum.slope += bin.slope;
  }
  for (size_t v = 0; v < slopes.size(); ++v) {
    slopes[v] -= static_cast<float>(sum.slope * std::exp(static_cast<double>(log_probs[v])));
  }
  return sum.value;
}

}  // namespace fathom::posttrain
