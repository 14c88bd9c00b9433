#pragma once
// Sums of floating-point numbers over ranks in one order, ((x_0 + x_1) + x_2) + ..., for any engine
// and any timing: the same bits in every run. An engine's own reduction promises none of this: it
// chooses its order by size. Built on all_to_all_v, which moves (R-1)/R of the data per rank, as a
// ring does.
//
// Two levels: where every node holds the same number (> 1) of consecutive ranks and there are
// several nodes, sums are made inside each node first and then between ranks of one index, so that
// the network carries 1/(ranks of a node). The order is then ((node 0's ranks in order) + (node 1's
// ranks in order)) + ...
#include <optional>
#include <span>
#include <vector>

#include "comm/nodes.h"

namespace fathom::comm {

/// Contiguous shards of n elements: shard r begins at n * r / ranks.
struct ShardRange {
  i64 begin = 0, end = 0;
};
ShardRange shard_range(i64 elements, int rank, int ranks);

struct OrderedOptions {
  i64 block_bytes = i64{4} << 20;  ///< of all ranks' shards together; scratch is as much
  bool two_levels = true;          ///< where nodes allow it
};

/// The groups and the scratch of ordered sums over `comm`, which outlives it. The constructor is
/// collective.
class OrderedSums {
 public:
  explicit OrderedSums(Comm& comm, OrderedOptions options = {});

  Comm& comm() { return comm_; }
  /// values  [n] f32, the same n on all ranks; afterwards this rank's shard_range(n, rank, size) of
  /// it holds the sum over ranks, and the rest is unspecified.
  void reduce_scatter(std::span<float> values);
  /// values  [n] f32 or f64, in place: the sum over ranks on all of them, the same bits everywhere.
  void all_reduce(std::span<float> values);
  void all_reduce(std::span<double> values);
  /// bytes  [n * element_bytes] u8: every rank's shard_range(n, ..) of elements reaches all others,
  /// in place.
  void all_gather_shards(MutableBytes bytes, i64 element_bytes);
  bool two_levels() const { return nodes_.has_value(); }

 private:
  template <typename T>
  void reduce_scatter_of(std::span<T> values);
  template <typename T>
  void reduce_scatter_within(Comm& group, std::span<T> values, std::span<const ShardRange> shards);
  std::vector<ShardRange> shards(i64 elements) const;
  template <typename T>
  void all_reduce_of(std::span<T> values);

  Comm& comm_;
  const OrderedOptions options_;
  std::optional<NodeGroups> nodes_;
  std::vector<std::byte> scratch_;
};

}  // namespace fathom::comm
