#pragma once
// What the router shares between serving and training: the scores and the list of the best.
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr float kNever = -__builtin_inff();  // score of a dropped group or of a NaN

/// A list of the `capacity` best (score, index) seen, best first. Among equal scores the lower
/// index stands first, if candidates come in order of rising index.
struct Best {
  float* scores;
  int32_t* indices;
  int64_t capacity;
  int64_t count;

  void offer(float score, int32_t index) {
    if (count == capacity && !(score > scores[count - 1])) return;
    int64_t at = count < capacity ? count++ : count - 1;
    for (; at > 0 && score > scores[at - 1]; --at) {
      scores[at] = scores[at - 1];
      indices[at] = indices[at - 1];
    }
    scores[at] = score;
    indices[at] = index;
  }
};

/// The index of the largest number, the lowest among equals, and takes it from the list: a taken
/// number is NaN. -inf counts as a number. Takes no branch that depends on the numbers but one:
/// with Best each candidate is a guess.
inline int32_t take_largest(float* values, int64_t count) {
  constexpr float kTaken = __builtin_nanf("");
  Vec largest = Vec::set1(kNever);
  for (int64_t i = 0; i < count; i += Vec::kLanes) {
    largest = max(load_n(values + i, count - i, kTaken), largest);  // a NaN loses
  }
  const Vec wanted = Vec::set1(reduce_max(largest));
  for (int64_t i = 0; i < count; i += Vec::kLanes) {
    const int lane = first_equal(load_n(values + i, count - i, kTaken), wanted);
    if (lane == Vec::kLanes) continue;
    values[i + lane] = kTaken;
    return static_cast<int32_t>(i) + lane;
  }
  return 0;  // only if all are taken
}

/// scores = sigmoid(logits) or softmax(logits), of one token; scores may be logits.
inline void score_row(bool softmax, int64_t experts, const float* logits, float* scores) {
  if (!softmax) {
    for (int64_t i = 0; i < experts; i += Vec::kLanes) {
      store_n(sigmoid(load_n(logits + i, experts - i)), scores + i, experts - i);
    }
    return;
  }
  Vec largest = Vec::set1(kNever), sum = Vec::zero();
  for (int64_t i = 0; i < experts; i += Vec::kLanes) {
    largest = max(load_n(logits + i, experts - i, kNever), largest);
  }
  const Vec offset = Vec::set1(reduce_max(largest));
  for (int64_t i = 0; i < experts; i += Vec::kLanes) {
    const Vec p = exp(load_n(logits + i, experts - i, kNever) - offset);
    sum = sum + p;
    store_n(p, scores + i, experts - i);
  }
  const Vec total = Vec::set1(reduce_add(sum));
  for (int64_t i = 0; i < experts; i += Vec::kLanes) {
    store_n(load_n(scores + i, experts - i) / total, scores + i, experts - i);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
