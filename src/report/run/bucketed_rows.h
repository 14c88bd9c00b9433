#pragma once
// A curve of any length in bounded memory.
#include <span>
#include <vector>

#include "base/types.h"

namespace fathom::report {

/// Where on the run's axes a row lies.
struct RunPosition {
  i64 step = 0;
  i64 tokens = 0;
  double seconds = 0.0;
};

/// Rows of numbers, added in order, kept as at most `capacity` buckets of neighbouring rows: when
/// they are full, every two become one, so each holds twice as many rows as before. The result
/// depends on the rows only, not on how often it was looked at: a resumed run shows the same.
/// Numbers that are not finite count as absent. A row may be wider than those before it.
class BucketedRows {
 public:
  struct Cell {
    double sum = 0.0;
    i32 count = 0;
    float least = 0.0F;
    float largest = 0.0F;

    double mean() const;  // NaN if nothing was added
    void add(double value);
    void merge(const Cell& other);
  };
  struct Bucket {
    RunPosition last;  // of its last row
    i64 rows = 0;
    std::vector<Cell> cells;
  };

  /// `capacity` is even and at least 2.
  explicit BucketedRows(size_t capacity);

  void add(const RunPosition& at, std::span<const double> row);

  const std::vector<Bucket>& buckets() const { return buckets_; }
  i64 rows_per_bucket() const { return rows_per_bucket_; }
  size_t width() const { return width_; }
  /// The cell of `column`, an empty one where the bucket's rows were narrower.
  static Cell cell(const Bucket& bucket, size_t column);

 private:
  void halve();

  size_t capacity_;
  size_t width_ = 0;
  i64 rows_per_bucket_ = 1;
  std::vector<Bucket> buckets_;
};

}  // namespace fathom::report
