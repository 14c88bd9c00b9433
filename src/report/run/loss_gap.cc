#include "report/run/loss_gap.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "report/run/missing_value.h"

namespace fathom::report {
namespace {

constexpr double kCoefficient = 0.9;

struct Point {
  double step = 0.0;
  double loss = 0.0;
};

/// The average, without the bias of its start. A bucket of r steps counts as r steps of its mean.
std::vector<Point> smoothed_loss(const RunHistory& history) {
  std::vector<Point> points;
  double sum = 0.0, norm = 0.0;
  for (const BucketedRows::Bucket& bucket : history.steps().buckets()) {
    const BucketedRows::Cell cell = BucketedRows::cell(bucket, 0);
    if (cell.count == 0) continue;
    const double keep = std::pow(kCoefficient, static_cast<double>(bucket.rows));
    sum = keep * sum + (1.0 - keep) * cell.mean();
    norm = keep * norm + (1.0 - keep);
    points.push_back({static_cast<double>(bucket.last.step), sum / norm});
  }
  return points;
}

/// Between two points of the curve; NaN outside of it.
double value_at(const std::vector<Point>& curve, double step) {
  const auto right =
      std::lower_bound(curve.begin(), curve.end(), step,
                       [](const Point& p, double wanted) { return p.step < wanted; });
  if (right == curve.end()) return kNan;
  if (right->step == step) return right->loss;
  if (right == curve.begin()) return kNan;
  const Point& left = *(right - 1);
  return left.loss + (right->loss - left.loss) * (step - left.step) / (right->step - left.step);
}

}  // namespace

LossGap loss_gap(const RunHistory& base, const RunHistory& run) {
  const std::vector<Point> base_curve = smoothed_loss(base), curve = smoothed_loss(run);
  LossGap gap = {.mean = kNan, .largest = kNan, .last = kNan};
  if (base_curve.empty() || curve.empty()) return gap;
  const double end = std::min(base_curve.back().step, curve.back().step);
  double sum = 0.0;
  i64 count = 0;
  for (const Point& point : curve) {
    if (point.step <= end / 2 || point.step > end) continue;
    const double relative = point.loss / value_at(base_curve, point.step) - 1.0;
    if (!std::isfinite(relative)) continue;
    sum += relative;
    if (count++ == 0 || std::abs(relative) > std::abs(gap.largest)) gap.largest = relative;
    gap.last = relative;
    gap.last_step = static_cast<i64>(point.step);
  }
  if (count > 0) gap.mean = sum / static_cast<double>(count);
  return gap;
}

}  // namespace fathom::report
