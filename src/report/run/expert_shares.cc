#include "report/run/expert_shares.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fathom::report {

ExpertShares::Layer& ExpertShares::layer_of(const LayerLoad& load) {
  for (Layer& layer : layers_) {
    if (layer.name == load.layer) return layer;
  }
  layers_.push_back({load.layer, load.share.size(), columns_});
  columns_ += load.share.size();
  return layers_.back();
}

bool ExpertShares::add(const RunPosition& at, const std::vector<LayerLoad>& load) {
  std::vector<double> row(columns_, std::numeric_limits<double>::quiet_NaN());
  bool any = false;
  for (const LayerLoad& given : load) {
    if (given.share.empty()) continue;
    const Layer& layer = layer_of(given);
    row.resize(columns_, std::numeric_limits<double>::quiet_NaN());
    std::copy_n(given.share.begin(), std::min(given.share.size(), layer.experts),
                row.begin() + static_cast<std::ptrdiff_t>(layer.first_column));
    any = true;
  }
  if (!any) return false;
  if (rows_.buckets().empty()) {
    rows_ = BucketedRows(bucket_capacity(columns_, max_cells_, least_, most_));
  }
  rows_.add(at, row);
  return true;
}

size_t bucket_capacity(size_t width, size_t max_cells, size_t least, size_t most) {
  return std::clamp(max_cells / std::max<size_t>(width, 1), least, most) / 2 * 2;
}

double jensen_shannon_bits(const std::vector<const std::vector<double>*>& shares) {
  const auto entropy_term = [](double p) { return p > 0 ? -p * std::log2(p) : 0.0; };
  const auto sets = static_cast<double>(shares.size());
  double bits = 0.0;
  for (size_t expert = 0; expert < shares.front()->size(); ++expert) {
    double mean = 0.0, mean_term = 0.0;
    for (const auto* share : shares) {
      mean += (*share)[expert] / sets;
      mean_term += entropy_term((*share)[expert]) / sets;
    }
    bits += entropy_term(mean) - mean_term;
  }
  return std::max(bits, 0.0);
}

}  // namespace fathom::report
