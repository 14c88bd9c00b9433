#include "parallel/groups.h"

namespace fathom::parallel {
namespace {

comm::Comm split(comm::Comm& world, i64 color, std::string_view name) {
  return world.split(static_cast<int>(color), world.rank(), name);
}

/// Ranks with the same tensors: data rank after data rank, a DualPipe's mirrored pair of each
/// together, so that branches of a tree of micro-batches are neighbours.
comm::Comm split_holders(comm::Comm& world, const RankLayout& layout, i64 color,
                         std::string_view name) {
  const i64 place =
      layout.data_rank(world.rank()) * layout.pipeline + layout.pipeline_rank(world.rank());
  return world.split(static_cast<int>(color), static_cast<int>(place), name);
}

i64 data_color(const RankLayout& layout, i64 rank) { return layout.pipeline_rank(rank); }

i64 expert_color(const RankLayout& layout, i64 rank) {
  return layout.pipeline_rank(rank) * layout.expert_data() + layout.data_rank(rank) / layout.expert;
}

i64 expert_holder_color(const RankLayout& layout, i64 rank) {
  return layout.holder_group(rank) * layout.expert + layout.expert_rank(rank);
}

i64 ends_color(const RankLayout& layout, i64 rank) {
  const i64 place = layout.pipeline_rank(rank);
  return place == 0 || place == layout.pipeline - 1 ? 0 : 1 + rank;
}

}  // namespace

Groups::Groups(comm::Comm& world, const RankLayout& layout)
    : world_(world),
      layout_(layout),
      data_(split(world, data_color(layout, world.rank()), "data")),
      experts_(split(world, expert_color(layout, world.rank()), "experts")),
      experts_backward_(split(world, expert_color(layout, world.rank()), "experts-backward")),
      pipeline_(split(world, layout.data_rank(world.rank()), "pipeline")),
      pipeline_backward_(split(world, layout.data_rank(world.rank()), "pipeline-backward")),
      holders_{
          split_holders(world, layout, layout.holder_group(world.rank()), "holders"),
          split_holders(world, layout, expert_holder_color(layout, world.rank()), "expert-holders"),
          split_holders(world, layout, ends_color(layout, world.rank()), "ends")} {}

}  // namespace fathom::parallel
