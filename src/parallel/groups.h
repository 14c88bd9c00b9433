#pragma once
// The communicators of a layout, made once and in the same order on all ranks.
#include "comm/comm.h"
#include "parallel/rank_layout.h"
#include "parallel/shards.h"

namespace fathom::parallel {

class Groups {
 public:
  /// `world` must outlive it.
  Groups(comm::Comm& world, const RankLayout& layout);

  const RankLayout& layout() const { return layout_; }
  comm::Comm& world() { return world_; }
  const comm::Comm& world() const { return world_; }
  i64 rank() const { return world_.rank(); }
  /// Ranks that share the batch, at one place of the pipeline.
  comm::Comm& data() { return data_; }
  /// Of them, those that the experts are dealt to.
  comm::Comm& experts() { return experts_; }
  /// The same ranks once more, for what runs beside that.
  comm::Comm& experts_backward() { return experts_backward_; }
  /// The ranks that a micro-batch passes through, in order.
  comm::Comm& pipeline() { return pipeline_; }
  /// The same ranks once more, for what travels the other way.
  comm::Comm& pipeline_backward() { return pipeline_backward_; }
  /// Ranks that hold the same layers: data(), or a DualPipe's mirrored pair of them.
  comm::Comm& holders() { return of(Holders::kDense); }
  /// Ranks that hold a tensor together. Holders::kEnds: a rank in the midst is alone.
  comm::Comm& of(Holders holders) { return holders_[static_cast<size_t>(holders)]; }
  ShardPlace place(Holders holders) const {
    const comm::Comm& group = holders_[static_cast<size_t>(holders)];
    return {group.rank(), group.size()};
  }

 private:
  comm::Comm& world_;
  RankLayout layout_;
  comm::Comm data_, experts_, experts_backward_, pipeline_, pipeline_backward_;
  std::array<comm::Comm, kAllHolders.size()> holders_;
};

}  // namespace fathom::parallel
