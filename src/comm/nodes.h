#pragma once
// Groups for what goes in two steps: inside a node, and between ranks of one place in their nodes.
#include <optional>

#include "comm/comm.h"

namespace fathom::comm {

/// Of nodes that hold the same number (> 1) of consecutive ranks each, two nodes at least: node n
/// has the ranks [n * per_node, (n + 1) * per_node).
struct NodeGroups {
  int per_node = 1;
  Comm inside;  // the ranks of this one's node, in order
  Comm across;  // a rank of every node, in order: that with this one's place in its node

  int nodes() const { return across.size(); }
  int node() const { return across.rank(); }
};

/// Collective. nullopt: ranks do not lie like that (one node, one rank a node, nodes of several
/// sizes), and nothing is gained by two steps.
std::optional<NodeGroups> node_groups(Comm& comm);

}  // namespace fathom::comm
