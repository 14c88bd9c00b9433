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
  i64 rank() const { return world_.rank(); }
  /// Ranks that hold the same layers and share the batch.
  comm::Comm& data() { return data_; }
  /// Of them, those that the experts are dealt to.
  comm::Comm& experts() { return experts_; }
  /// Of them, those that hold the same experts.
  comm::Comm& expert_data() { return expert_data_; }

  ShardPlace dense_place() const { return {data_.rank(), data_.size()}; }
  ShardPlace expert_place() const { return {expert_data_.rank(), expert_data_.size()}; }

 private:
  comm::Comm& world_;
  RankLayout layout_;
  comm::Comm data_, experts_, expert_data_;
};

}  // namespace fathom::parallel
