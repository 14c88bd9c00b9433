#pragma once
// Who does the work over time: each expert's share of its layer's load.
#include <string>
#include <vector>

#include "report/metrics/metrics.h"
#include "report/run/bucketed_rows.h"

namespace fathom::report {

/// The shares of a sequence of loads, in bounded memory: all layers side by side in one row.
class ExpertShares {
 public:
  struct Layer {
    std::string name;
    size_t experts = 0;
    size_t first_column = 0;  // of its experts in rows()
  };
  /// At most about `max_cells` numbers are kept, but `least` to `most` points of time.
  ExpertShares(size_t max_cells, size_t least, size_t most)
      : max_cells_(max_cells), least_(least), most_(most) {}

  /// Layers without shares are absent from the row; false: all were, and there is no row.
  bool add(const RunPosition& at, const std::vector<LayerLoad>& load);

  const std::vector<Layer>& layers() const { return layers_; }
  const BucketedRows& rows() const { return rows_; }

 private:
  Layer& layer_of(const LayerLoad& load);

  size_t max_cells_, least_, most_;
  std::vector<Layer> layers_;
  size_t columns_ = 0;
  BucketedRows rows_{2};
};

/// An even number of buckets so that `width` columns take about `max_cells` cells.
size_t bucket_capacity(size_t width, size_t max_cells, size_t least, size_t most);

/// Jensen-Shannon divergence of distributions over the same experts, equally weighted:
/// H(mean p) - mean H(p) in bits; 0 for equal ones, log2(their number) for disjoint ones.
double jensen_shannon_bits(const std::vector<const std::vector<double>*>& shares);

}  // namespace fathom::report
