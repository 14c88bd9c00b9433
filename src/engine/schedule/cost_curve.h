#pragma once
// How long a pass over the model will take, before it is run.
#include <array>
#include <vector>

#include "base/types.h"

namespace fathom::engine {

/// A measured point: a pass over `rows` tokens with next to nothing in the caches.
struct CostPoint {
  i64 rows = 0;
  double seconds = 0;
};

/// Estimated seconds of one kind of pass:
///   seconds(rows, pairs) = common * (knot(rows) * base(rows) + pair * seconds_per_pair * pairs)
/// rows   tokens in the pass
/// pairs  (query, key) pairs its attention visits: the sum over its tokens of what each one sees
/// base   the measured points, joined by straight lines; constant below the first, beyond the last
///        with the slope of the last two (with one point: in proportion)
/// common, knot, pair  corrections learnt while running, 1 at first; the knots are the powers of
///        two, and between them knot() is interpolated
/// A common factor follows fast what slows everything (another busy program); the others follow
/// slowly where the measurement at the start was wrong. One observation counts as a factor of at
/// most two, and so moves an estimate by less than a fifth however wild it was. If the points were
/// only guessed, the first observations set the common factor to their mean.
class CostCurve {
 public:
  enum class Points { kMeasured, kGuessed };

  /// `points`: at least one, rows ascending from >= 1, seconds > 0. `seconds_per_pair` >= 0.
  CostCurve(std::vector<CostPoint> points, double seconds_per_pair, Points are = Points::kMeasured);

  double seconds(i64 rows, i64 pairs) const;

  /// A pass that took `seconds`. Times that cannot be (not above 0, not finite) are passed over.
  void observe(i64 rows, i64 pairs, double seconds);

 private:
  static constexpr int kKnots = 21;  // rows of 1 to 2^20
  /// Where `rows` lies between two knots.
  struct Place {
    size_t knot;
    double above;  // 0 at `knot`, towards 1 at the next
  };
  /// The two terms of the sum above, with their corrections but without the common one.
  struct Parts {
    double base;
    double pairs;
  };

  static Place place(i64 rows);
  double base(i64 rows) const;
  Parts parts(i64 rows, i64 pairs) const;

  std::vector<CostPoint> points_;
  double seconds_per_pair_;
  int guess_ = 0;  // observations after which the points count as measured
  double common_ = 1;
  double pair_ = 1;
  std::array<double, kKnots> knots_;
};

/// What the scheduler and the choice of the draft length know of the machine and the model.
struct CostModel {
  CostCurve decode;  // one pass over all layers; rows: 1 + drafts of every decoding sequence
  CostCurve layer;   // one layer of a prefill chunk; rows: its tokens
  CostCurve part;    // the longest part of such a layer without a pause
  CostCurve draft;   // one pass of the draft module; rows: sequences that draft at this depth
};

}  // namespace fathom::engine
