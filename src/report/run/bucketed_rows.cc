#include "report/run/bucketed_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"

namespace fathom::report {

double BucketedRows::Cell::mean() const {
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

void BucketedRows::Cell::add(double value) {
  if (!std::isfinite(value)) return;
  constexpr double kLimit = std::numeric_limits<float>::max();
  const auto rounded = static_cast<float>(std::clamp(value, -kLimit, kLimit));
  merge({.sum = value, .count = 1, .least = rounded, .largest = rounded});
}

void BucketedRows::Cell::merge(const Cell& other) {
  if (other.count == 0) return;
  least = count == 0 ? other.least : std::min(least, other.least);
  largest = count == 0 ? other.largest : std::max(largest, other.largest);
  sum += other.sum;
  count += other.count;
}

BucketedRows::BucketedRows(size_t capacity) : capacity_(capacity) {
  FATHOM_CHECK(capacity >= 2 && capacity % 2 == 0, "capacity ", capacity);
}

void BucketedRows::add(const RunPosition& at, std::span<const double> row) {
  if (buckets_.empty() || buckets_.back().rows == rows_per_bucket_) {
    if (buckets_.size() == capacity_) halve();
    buckets_.emplace_back();
  }
  Bucket& bucket = buckets_.back();
  width_ = std::max(width_, row.size());
  if (bucket.cells.size() < row.size()) bucket.cells.resize(row.size());
  for (size_t i = 0; i < row.size(); ++i) bucket.cells[i].add(row[i]);
  bucket.last = at;
  ++bucket.rows;
}

void BucketedRows::halve() {
  for (size_t i = 0; i < buckets_.size() / 2; ++i) {
    Bucket merged = std::move(buckets_[2 * i]);
    const Bucket& right = buckets_[2 * i + 1];
    if (merged.cells.size() < right.cells.size()) merged.cells.resize(right.cells.size());
    for (size_t c = 0; c < right.cells.size(); ++c) merged.cells[c].merge(right.cells[c]);
    merged.last = right.last;
    merged.rows += right.rows;
    buckets_[i] = std::move(merged);
  }
  buckets_.resize(buckets_.size() / 2);
  rows_per_bucket_ *= 2;
}

BucketedRows::Cell BucketedRows::cell(const Bucket& bucket, size_t column) {
  return column < bucket.cells.size() ? bucket.cells[column] : Cell();
}

}  // namespace fathom::report
