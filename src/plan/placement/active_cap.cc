#include "plan/placement/active_cap.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "plan/units/index.h"

namespace fathom::plan {
namespace {

using Edge = TokenFlow::Edge;

/// The shares so far as a forest over experts and GPUs; a share that would close a cycle is moved
/// around it until one of the cycle is gone.
class Forest {
 public:
  Forest(std::vector<Edge>& edges, size_t experts, size_t gpus)
      : edges_(edges), experts_(experts), links_(experts + gpus), parent_(experts + gpus, -1) {}

  void insert(i32 edge) {
    std::vector<i32> path = path_between(gpu_node(edge), expert_node(edge));
    if (path.empty()) return link(edge);
    // Around the cycle: this edge, then from its GPU back to its expert, by turns less and more.
    i64 moved = edges_[at(edge)].tokens;
    i32 gone = edge;
    for (size_t i = 1; i < path.size(); i += 2) least(path[i], moved, gone);
    change(edge, -moved);
    for (size_t i = 0; i < path.size(); ++i) change(path[i], i % 2 == 0 ? moved : -moved);
    if (gone == edge) return;
    unlink(gone);
    link(edge);
  }

 private:
  size_t expert_node(i32 edge) const { return at(edges_[at(edge)].expert); }
  size_t gpu_node(i32 edge) const { return experts_ + at(edges_[at(edge)].gpu); }
  size_t other_end(i32 edge, size_t node) const {
    return node < experts_ ? gpu_node(edge) : expert_node(edge);
  }
  void least(i32 edge, i64& moved, i32& gone) const {
    if (edges_[at(edge)].tokens >= moved) return;
    moved = edges_[at(edge)].tokens;
    gone = edge;
  }
  void change(i32 edge, i64 by) { edges_[at(edge)].tokens += by; }
  void link(i32 edge) {
    links_[expert_node(edge)].push_back(edge);
    links_[gpu_node(edge)].push_back(edge);
  }
  void unlink(i32 edge) {
    for (const size_t node : {expert_node(edge), gpu_node(edge)}) {
      std::vector<i32>& list = links_[node];
      list.erase(std::find(list.begin(), list.end(), edge));
    }
  }

  /// Edges from `from` to `to`, in order; empty if they are not connected.
  std::vector<i32> path_between(size_t from, size_t to) {
    std::fill(parent_.begin(), parent_.end(), -1);
    stack_.assign(1, from);
    while (!stack_.empty() && (from == to || parent_[to] < 0)) {
      const size_t node = stack_.back();
      stack_.pop_back();
      for (const i32 edge : links_[node]) {
        const size_t next = other_end(edge, node);
        if (next == from || parent_[next] >= 0) continue;
        parent_[next] = edge;
        stack_.push_back(next);
      }
    }
    std::vector<i32> path;
    for (size_t node = to; node != from; node = other_end(path.back(), node)) {
      if (parent_[node] < 0) return {};
      path.push_back(parent_[node]);
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

  std::vector<Edge>& edges_;
  size_t experts_;
  std::vector<std::vector<i32>> links_;
  std::vector<i32> parent_;  // the edge that a search came by
  std::vector<size_t> stack_;
};

/// GPUs in a row that may pass an expert on so that the last has room for one more.
constexpr int kLongestChain = 3;

/// The repair of one cap.
class Cap {
 public:
  Cap(TokenFlow& flow, i64 max_active, i64 limit)
      : flow_(flow), max_active_(max_active), limit_(limit), active_(flow.loads().size(), 0) {
    for (const Edge& edge : flow.edges()) {
      if (edge.tokens > 0) ++active_[at(edge.gpu)];
    }
  }

  bool run() {
    for (size_t gpu = 0; gpu < active_.size(); ++gpu) {
      while (active_[gpu] > max_active_) {
        std::vector<bool> on_way(active_.size(), false);
        if (!drop_one(gpu, kLongestChain, on_way)) break;
      }
    }
    return std::all_of(active_.begin(), active_.end(), [&](i64 n) { return n <= max_active_; });
  }

 private:
  Edge& edge(i32 i) { return flow_.edges()[at(i)]; }

  /// One expert less on `gpu`: the smallest share that some other host takes. A host that is full
  /// itself hands on one of its own, `chain` times at most and never back to a GPU `on_way`.
  bool drop_one(size_t gpu, int chain, std::vector<bool>& on_way) {
    on_way[gpu] = true;
    std::vector<i32> mine;
    for (const i32 i : flow_.edges_of_gpu(gpu)) {
      if (edge(i).tokens > 0) mine.push_back(i);
    }
    std::sort(mine.begin(), mine.end(),
              [&](i32 a, i32 b) { return edge(a).tokens < edge(b).tokens; });
    for (const i32 i : mine) {
      if (hand_on(i, chain, on_way)) return true;
    }
    on_way[gpu] = false;
    return false;
  }

  /// Gives a whole share to another host of its expert; that host makes room by passing tokens on
  /// along shares that exist already.
  bool hand_on(i32 share, int chain, std::vector<bool>& on_way) {
    for (const i32 i : flow_.edges_of_expert(at(edge(share).expert))) {
      const auto host = at(edge(i).gpu);
      const bool full = edge(i).tokens == 0 && active_[host] >= max_active_;
      if (i == share || on_way[host] || (full && chain == 0)) continue;
      const Saved before{flow_.edges(), flow_.loads(), active_};
      move(share, i, edge(share).tokens);
      if (make_room(host, share) && (!full || drop_one(host, chain - 1, on_way))) return true;
      flow_.edges() = before.edges;
      flow_.loads() = before.loads;
      active_ = before.active;
    }
    return false;
  }

  struct Saved {
    std::vector<Edge> edges;
    std::vector<i64> loads;
    std::vector<i64> active;
  };

  void move(i32 from, i32 to, i64 tokens) {
    Edge &a = edge(from), &b = edge(to);
    if (b.tokens == 0) ++active_[at(b.gpu)];
    a.tokens -= tokens;
    b.tokens += tokens;
    if (a.tokens == 0) --active_[at(a.gpu)];
    flow_.loads()[at(a.gpu)] -= tokens;
    flow_.loads()[at(b.gpu)] += tokens;
  }

  /// Moves what `host` has above the limit along paths of experts that are active at both ends.
  /// `gone` must not get tokens again.
  bool make_room(size_t host, i32 gone) {
    while (flow_.loads()[host] > limit_) {
      if (!push_along_path(host, gone)) return false;
    }
    return true;
  }

  /// One shortest path from `host` to a GPU with room, as much as it takes.
  bool push_along_path(size_t host, i32 gone) {
    std::vector<std::array<i32, 2>> by(active_.size(), {-1, -1});  // shares that led to a GPU
    std::vector<size_t> queue = {host};
    std::vector<bool> seen(active_.size(), false);
    seen[host] = true;
    for (size_t head = 0; head < queue.size(); ++head) {
      const size_t gpu = queue[head];
      if (flow_.loads()[gpu] < limit_) return shift(host, gpu, by);
      for (const i32 i : flow_.edges_of_gpu(gpu)) {
        if (edge(i).tokens == 0) continue;
        for (const i32 j : flow_.edges_of_expert(at(edge(i).expert))) {
          const size_t next = at(edge(j).gpu);
          if (seen[next] || j == gone || edge(j).tokens == 0) continue;
          seen[next] = true;
          by[next] = {i, j};
          queue.push_back(next);
        }
      }
    }
    return false;
  }

  bool shift(size_t host, size_t last, const std::vector<std::array<i32, 2>>& by) {
    i64 tokens = std::min(flow_.loads()[host] - limit_, limit_ - flow_.loads()[last]);
    for (size_t gpu = last; gpu != host; gpu = at(edge(by[gpu][0]).gpu)) {
      tokens = std::min(tokens, edge(by[gpu][0]).tokens);
    }
    for (size_t gpu = last; gpu != host;) {
      const auto [from, to] = by[gpu];
      gpu = at(edge(from).gpu);
      move(from, to, tokens);
    }
    return true;
  }

  TokenFlow& flow_;
  i64 max_active_, limit_;
  std::vector<i64> active_;
};

}  // namespace

void cancel_cycles(TokenFlow& flow) {
  std::vector<Edge>& edges = flow.edges();
  size_t experts = 0;
  for (const Edge& edge : edges) experts = std::max(experts, at(edge.expert) + 1);
  Forest forest(edges, experts, flow.loads().size());
  for (size_t i = 0; i < edges.size(); ++i) {
    if (edges[i].tokens > 0) forest.insert(static_cast<i32>(i));
  }
}

bool cap_active(TokenFlow& flow, i64 max_active, i64 limit) {
  return Cap(flow, max_active, limit).run();
}

}  // namespace fathom::plan
