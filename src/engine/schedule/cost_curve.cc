#include "engine/schedule/cost_curve.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace fathom::engine {
namespace {

constexpr double kCommonRate = 0.15;
constexpr double kPartRate = 0.1;
constexpr double kMostOfOne = std::numbers::ln2;
constexpr int kGuessLasts = 6;  // the mean over so many moves about as fast as kCommonRate

}  // namespace

CostCurve::CostCurve(std::vector<CostPoint> points, double seconds_per_pair, Points are)
    : points_(std::move(points)),
      seconds_per_pair_(seconds_per_pair),
      guess_(are == Points::kGuessed ? kGuessLasts : 0) {
  knots_.fill(1);
  FATHOM_CHECK(!points_.empty() && seconds_per_pair_ >= 0, "seconds per pair ", seconds_per_pair_);
  i64 previous = 0;
  for (const CostPoint& point : points_) {
    FATHOM_CHECK(point.rows > previous && point.seconds > 0, "rows ", point.rows, " after ",
                 previous, ", seconds ", point.seconds);
    previous = point.rows;
  }
}

double CostCurve::base(i64 rows) const {
  if (rows <= points_.front().rows) return points_.front().seconds;
  if (points_.size() == 1) {
    const CostPoint& only = points_.front();
    return only.seconds * static_cast<double>(rows) / static_cast<double>(only.rows);
  }
  size_t upper = 1;
  while (upper + 1 < points_.size() && points_[upper].rows < rows) ++upper;
  const CostPoint& a = points_[upper - 1];
  const CostPoint& b = points_[upper];
  const double slope = (b.seconds - a.seconds) / static_cast<double>(b.rows - a.rows);
  const double at = a.seconds + slope * static_cast<double>(rows - a.rows);
  // Beyond the last point a falling slope, which is noise, would reach zero.
  return rows <= b.rows ? at : std::max(at, b.seconds);
}

CostCurve::Place CostCurve::place(i64 rows) {
  const u64 n = static_cast<u64>(std::clamp<i64>(rows, 1, i64{1} << (kKnots - 1)));
  const size_t knot = std::min<size_t>(static_cast<size_t>(std::bit_width(n)) - 1, kKnots - 2);
  const double at_knot = static_cast<double>(u64{1} << knot);
  return {knot, (static_cast<double>(n) - at_knot) / at_knot};
}

CostCurve::Parts CostCurve::parts(i64 rows, i64 pairs) const {
  const auto [knot, above] = place(rows);
  return {base(rows) * (knots_[knot] * (1 - above) + knots_[knot + 1] * above),
          seconds_per_pair_ * static_cast<double>(pairs) * pair_};
}

double CostCurve::seconds(i64 rows, i64 pairs) const {
  const auto [of_base, of_pairs] = parts(rows, pairs);
  return common_ * (of_base + of_pairs);
}

void CostCurve::observe(i64 rows, i64 pairs, double seconds) {
  if (!(seconds > 0) || !std::isfinite(seconds) || rows <= 0) return;
  const auto [of_base, of_pairs] = parts(rows, pairs);
  const double estimate = common_ * (of_base + of_pairs);
  if (guess_ > 0) {
    common_ *= std::exp(std::log(seconds / estimate) / (1 + kGuessLasts - guess_--));
    return;
  }
  const double error = std::clamp(std::log(seconds / estimate), -kMostOfOne, kMostOfOne);
  // Each correction moves by its share of the estimate: whose part is small is not to blame.
  const double share = of_base / (of_base + of_pairs);
  const auto [knot, above] = place(rows);
  common_ *= std::exp(kCommonRate * error);
  knots_[knot] *= std::exp(kPartRate * error * share * (1 - above));
  knots_[knot + 1] *= std::exp(kPartRate * error * share * above);
  pair_ *= std::exp(kPartRate * error * (1 - share));
}

}  // namespace fathom::engine
