#include "engine/sampling/softmax_weights.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/checked_math.h"

namespace fathom::engine {
namespace {

constexpr i64 kLanes = 8;  // of a sum: kWeightBlock is a multiple

/// e^x for x in [-87, 0] by Cephes' expf: relative error below 2.5e-7.
inline float exp_of(float x) {
  constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRoundToInt = 0x1.8p23f;
  const float n = (x * kLog2E + kRoundToInt) - kRoundToInt;
  const float r = (x - n * kLn2High) - n * kLn2Low;  // the first product is exact
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float e_r = (p * (r * r) + r) + 1.0f;
  return e_r * std::bit_cast<float>((static_cast<i32>(n) + 127) << 23);
}

double sum_of(const float* weights, i64 count) {
  double lanes[kLanes] = {};
  const i64 whole = count / kLanes * kLanes;
  for (i64 i = 0; i < whole; i += kLanes) {
    for (i64 l = 0; l < kLanes; ++l) lanes[l] += static_cast<double>(weights[i + l]);
  }
  for (i64 i = whole; i < count; ++i) lanes[i - whole] += static_cast<double>(weights[i]);
  double sum = 0.0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

double softmax_weights(std::span<const float> logits, float largest, double temperature,
                       double least, std::span<float> weights, std::span<double> sums) {
  const i64 count = std::ssize(logits);
  FATHOM_CHECK(temperature > 0 && std::ssize(weights) == count &&
                   std::ssize(sums) == ceil_div(count, kWeightBlock),
               "weights ", weights.size(), " and sums ", sums.size(), " of ", count,
               " logits at temperature ", temperature);
  // The inverse stays finite, so that the largest logit stays 0 at any temperature.
  constexpr float kLowest = -87.0f;
  const float inverse = static_cast<float>(std::min(1.0 / temperature, 1e30));
  const float* const in = logits.data();
  float* const out = weights.data();
  const float least_weight = static_cast<float>(least);
  for (i64 i = 0; i < count; ++i) {
    const float scaled = (in[i] - largest) * inverse;
    const float weight = exp_of(scaled > kLowest ? scaled : kLowest);  // a NaN is not above
    out[i] = scaled > kLowest && weight >= least_weight ? weight : 0.0f;
  }
  double total = 0.0;
  for (i64 block = 0; block < std::ssize(sums); ++block) {
    const i64 begin = block * kWeightBlock;
    const double sum = sum_of(out + begin, std::min(kWeightBlock, count - begin));
    sums[static_cast<size_t>(block)] = sum;
    total += sum;
  }
  return total;
}

}  // namespace fathom::engine
