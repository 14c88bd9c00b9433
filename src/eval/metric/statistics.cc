#include "eval/metric/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "eval/task/python_random.h"

namespace fathom::eval {
namespace {

constexpr i64 kChunk = 1000;
constexpr double kZ95 = 1.959963984540054;  // of the normal distribution, 97.5 %

double deviation(std::span<const double> values) {
  const double middle = mean(values);
  double sum = 0.0;
  for (const double value : values) sum += (value - middle) * (value - middle);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

}  // namespace

double mean(std::span<const double> values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::optional<double> mean_stderr(std::span<const double> values) {
  if (values.size() < 2) return std::nullopt;
  return deviation(values) / std::sqrt(static_cast<double>(values.size()));
}

std::pair<double, double> wilson_interval(double share, i64 n) {
  FATHOM_CHECK(n >= 1, n);
  const auto count = static_cast<double>(n);
  const double z2 = kZ95 * kZ95, scale = 1.0 + z2 / count;
  const double middle = (share + z2 / (2 * count)) / scale;
  const double half =
      kZ95 * std::sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / scale;
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

double bootstrap_stderr(std::span<const double> values, i64 iterations,
                        const std::function<double(std::span<const double>)>& statistic) {
  std::vector<double> results, drawn(values.size());
  const i64 chunk = std::min(kChunk, iterations);
  for (i64 i = 0; i < iterations / chunk; ++i) {
    PythonRandom random(static_cast<u64>(i));
    for (i64 each = 0; each < chunk; ++each) {
      const std::vector<i64> indices = random.choices(std::ssize(values), std::ssize(values));
      for (size_t at = 0; at < drawn.size(); ++at) {
        drawn[at] = values[static_cast<size_t>(indices[at])];
      }
      results.push_back(statistic(drawn));
    }
  }
  return deviation(results);
}

double pass_at_k(i64 n, i64 c, i64 k) {
  if (n - c < k) return 1.0;
  double all_wrong = 1.0;
  for (i64 i = n - c + 1; i <= n; ++i) {
    all_wrong *= 1.0 - static_cast<double>(k) / static_cast<double>(i);
  }
  return 1.0 - all_wrong;
}

Difference paired_bootstrap(std::span<const double> a, std::span<const double> b, i64 iterations,
                            u64 seed) {
  FATHOM_CHECK(a.size() == b.size() && !a.empty(), a.size(), b.size());
  std::vector<double> gaps(a.size()), means;
  for (size_t i = 0; i < a.size(); ++i) gaps[i] = b[i] - a[i];
  PythonRandom random(seed);
  for (i64 i = 0; i < iterations; ++i) {
    double sum = 0.0;
    for (size_t each = 0; each < gaps.size(); ++each) {
      sum += gaps[static_cast<size_t>(random.below(std::ssize(gaps)))];
    }
    means.push_back(sum / static_cast<double>(gaps.size()));
  }
  std::ranges::sort(means);
  const auto quantile = [&](double share) {
    return means[static_cast<size_t>(share * static_cast<double>(means.size() - 1) + 0.5)];
  };
  const auto at_most_zero =
      static_cast<double>(std::ranges::upper_bound(means, 0.0) - means.begin());
  const auto below_zero = static_cast<double>(std::ranges::lower_bound(means, 0.0) - means.begin());
  const auto all = static_cast<double>(means.size());
  const double tail = std::min(at_most_zero, all - below_zero) / all;
  return {mean(gaps), quantile(0.025), quantile(0.975), std::min(1.0, 2 * tail)};
}

double pooled_stderr(std::span<const PartError> parts) {
  double sum = 0.0, count = 0.0;
  for (const PartError& part : parts) {
    const auto n = static_cast<double>(part.n);
    sum += (n - 1) * part.stderr_of_mean * part.stderr_of_mean * n;
    count += n;
  }
  return std::sqrt(sum / (count - static_cast<double>(parts.size())) / count);
}

}  // namespace fathom::eval
