#pragma once
#include "kernels/api/elementwise.h"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Partial sums of this many terms are f32, the sum of them double.
constexpr int64_t kLogSumBlock = 256;

void token_log_probs_rows(const TokenLogProbsArgs& a, int64_t begin, int64_t end) {
  constexpr float kMinusInf = -__builtin_inff();
  for (int64_t row = begin; row < end; ++row) {
    const float* logits = a.logits + row * a.logits_stride;
    Vec largest = Vec::set1(kMinusInf);
    for (int64_t i = 0; i < a.vocab; i += Vec::kLanes) {
      largest = max(load_n(logits + i, a.vocab - i, kMinusInf), largest);  // a NaN loses
    }
    const float max_logit = reduce_max(largest);
    double sum = 0.0;
    for (int64_t block = 0; block < a.vocab; block += kLogSumBlock) {
      const int64_t stop = min(a.vocab, block + kLogSumBlock);
      Vec part = Vec::zero();
      for (int64_t i = block; i < stop; i += Vec::kLanes) {
        part = part + exp(load_n(logits + i, stop - i, kMinusInf) - Vec::set1(max_logit));
      }
      sum += static_cast<double>(reduce_add(part));
    }
    a.max_and_sum[row * 2] = static_cast<double>(max_logit);
    a.max_and_sum[row * 2 + 1] = sum;
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
