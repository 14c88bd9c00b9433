#pragma once
// From the values of single items to one number and how sure it is.
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "base/types.h"

namespace fathom::eval {

double mean(std::span<const double> values);
/// Deviation with n - 1, and the standard error s / sqrt(n) of a mean; nullopt for fewer than two.
std::optional<double> mean_stderr(std::span<const double> values);

/// The score interval of a share, at 95 %: it stays inside [0, 1] and means something for 0 of n.
/// Source: E. B. Wilson, JASA 22 (1927) 209.
std::pair<double, double> wilson_interval(double share, i64 n);

/// lm-eval's bootstrap: the deviation (n - 1) of `statistic` over `iterations` resamples, drawn in
/// chunks of 1,000 with the chunk's number as the seed.
double bootstrap_stderr(std::span<const double> values, i64 iterations,
                        const std::function<double(std::span<const double>)>& statistic);

/// The chance that one of k answers, drawn out of n of which c are right, is right:
/// 1 - C(n-c, k) / C(n, k). Source: M. Chen et al. 2021 (2107.03374).
double pass_at_k(i64 n, i64 c, i64 k);

struct Difference {
  double mean = 0.0;             // of b - a
  double low = 0.0, high = 0.0;  // 95 % of the resamples
  double p_value = 1.0;          // two-sided: how often the sign turns
};
/// Of two models on the same items, item by item: `iterations` resamples from `seed`.
Difference paired_bootstrap(std::span<const double> a, std::span<const double> b, i64 iterations,
                            u64 seed);

/// A group's standard error from those of its parts, as lm-eval pools them: of means over all
/// items.
struct PartError {
  double stderr_of_mean = 0.0;
  i64 n = 0;
};
double pooled_stderr(std::span<const PartError> parts);

}  // namespace fathom::eval
