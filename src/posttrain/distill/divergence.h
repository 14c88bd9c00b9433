#pragma once
// How far a student's distribution is from a teacher's, of which the likeliest tokens and the mass
// of all others are known: a divergence of k + 1 bins, the last one that of the others.
// Renormalising the k instead would teach that nothing else ever comes.
#include <span>

#include "base/types.h"
#include "config/run/distill_config.h"

namespace fathom::posttrain {

/// What the teacher thinks of the next token, logits divided by the temperature.
struct TeacherToken {
  std::span<const i32> ids;          // the likeliest, falling
  std::span<const float> log_probs;  // of them
  float rest = 0.0f;                 // log of the mass of all others; -inf: none
};

/// log_probs[v] = logits[v] / temperature - log sum_v exp(logits[v] / temperature); the sum in f64.
/// log_probs may be logits.
void log_softmax(std::span<const float> logits, double temperature, std::span<float> log_probs);

/// With p the teacher's bins and q the student's:
///   forward  sum p (log p - log q)
///   reverse  sum q (log q - log p), |log q - log p| held within 10: where the teacher sees nothing
///            it has no opinion either
///   jsd      beta sum p log(p / m) + (1 - beta) sum q log(q / m), m = beta p + (1 - beta) q
/// and slopes[v] = dD / dlogits[v] * temperature, which is dD / d(logits / temperature),
/// OVERWRITTEN.
///   log_probs [vocab]  the student's, of log_softmax; slopes may not be it
/// Sources: arXiv 2306.13649 (GKD) eqs (1)-(2); Hinton et al., arXiv 1503.02531.
double divergence(Divergence kind, double beta, const TeacherToken& teacher,
                  std::span<const float> log_probs, std::span<float> slopes);

}  // namespace fathom::posttrain
