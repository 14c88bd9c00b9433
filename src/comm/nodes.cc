#include "comm/nodes.h"

namespace fathom::comm {
namespace {

/// 0: not as NodeGroups wants it.
int ranks_per_node(const Comm& comm) {
  int per_node = 1;
  while (per_node < comm.size() && comm.node_of(per_node) == comm.node_of(0)) ++per_node;
  if (per_node == 1 || per_node == comm.size() || comm.size() % per_node != 0) return 0;
  for (int r = 0; r < comm.size(); ++r) {
    const bool first_of_node = r % per_node == 0;
    if (r > 0 && (comm.node_of(r) != comm.node_of(r - 1)) != first_of_node) return 0;
  }
  return per_node;
}

}  // namespace

std::optional<NodeGroups> node_groups(Comm& comm) {
  const int per_node = ranks_per_node(comm);
  if (per_node == 0) return std::nullopt;
  Comm inside = comm.split(comm.rank() / per_node, comm.rank(), "inside");
  Comm across = comm.split(comm.rank() % per_node, comm.rank(), "across");
  return NodeGroups{per_node, std::move(inside), std::move(across)};
}

}  // namespace fathom::comm
