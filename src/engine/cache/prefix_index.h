#pragma once
// Which pages hold which text: a tree of pages for every namespace, and the order in which they go.
#include <map>
#include <memory_resource>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "engine/cache/chain_key.h"
#include "engine/cache/page_pool.h"
#include "engine/cache/sibling_order.h"

namespace fathom::engine {

/// Of one owner, or of all.
struct CacheStats {
  i64 pages = 0;   // held now
  i64 tokens = 0;  // in them
  i64 queries = 0, queried_tokens = 0;
  i64 hits = 0, hit_tokens = 0;
  i64 evictions = 0;
};

/// The index holds one reference of each of its pages. Leaves that nobody else holds can be
/// evicted, the least recently used first; "recently" counts calls, no clock. Nothing takes longer
/// than O(log pages) but flush(), and a use of a text, which is O(its pages). Not thread-safe.
class PrefixIndex {
 public:
  struct Owner;
  /// A page in the tree. Its address is good until the page is dropped.
  struct Node : PageEntry {
    PageId page = kNoPage;
    Owner* owner = nullptr;
    Node* parent = nullptr;  // null: the first page of a text
    i64 children = 0;
    u64 last_use = 0;         // a parent's is later than its children's
    bool is_unheld = false;   // but by the index
    bool is_idle = false;     // an unheld leaf
    bool is_offered = false;  // to the disk tier, if there is one
  };
  struct EarlierUse {
    bool operator()(const Node* a, const Node* b) const { return a->last_use < b->last_use; }
  };
  using IdleLeaves = std::pmr::set<Node*, EarlierUse>;
  /// Who has a share.
  struct Owner {
    std::string name;
    CacheStats stats;
    u64 inserts = 0;  // pages that came in, and that got more exact rows
    IdleLeaves idle;
  };
  /// How far along a text: behind `node`, or before the first page.
  struct Position {
    Owner* owner = nullptr;
    Node* node = nullptr;
    ChainKey space;  // the root of the namespace
    ChainKey key;    // of the node, or the root
  };
  struct Match {
    Node* node = nullptr;
    i64 tokens = 0;
  };

  /// While others hold pages, an owner with more than `max_share` of the pool's loses its own
  /// first.
  PrefixIndex(PagePool& pool, const ChainSecret& secret, double max_share);
  ~PrefixIndex();
  PrefixIndex(const PrefixIndex&) = delete;
  PrefixIndex& operator=(const PrefixIndex&) = delete;

  Owner& owner(std::string_view name);
  /// Owner::inserts; 0 for one never seen.
  u64 num_inserts(std::string_view owner) const;
  Position root(const Namespace& space);
  static Position behind(Node& node) { return {node.owner, &node, node.space, node.key}; }
  /// The page with just these ids, all rows of that kind; null if there is none.
  Node* find(const Position& at, std::span<const i32> ids, RowKind rows);
  /// The page that serves most tokens of the text.
  Match longest(const Position& at, std::span<const i32> text, RowKind rows);

  /// Takes `page`, the rows of `ids` behind `at`, of which the first `exact_tokens` are exact.
  /// A page that is there already stays unless the new one has more exact rows; what the new one
  /// makes useless goes. Returns the page that holds the ids now, perhaps among others.
  Node& add(const Position& at, std::span<const i32> ids, PageId page, i64 exact_tokens);
  /// `node` and what stands before it were used now.
  void use(Node& node);
  /// Somebody has retained or released the page.
  void references_changed(PageId page);

  /// What is to be evicted next; null if nothing can be.
  Node* victim();
  /// Takes a leaf out and releases its page.
  void drop(Node& node);
  /// Drops all pages of an owner, those in use too: who holds them keeps them. Returns how many.
  i64 flush(std::string_view owner);

  /// Pages that nobody else holds.
  i64 num_unheld() const { return num_unheld_; }
  /// By owner, of all that were ever seen.
  std::map<std::string, CacheStats> stats() const;

 private:
  struct FewerPages {
    bool operator()(const Owner* a, const Owner* b) const;
  };
  Node* at_page(PageId page) const { return node_of_page_[static_cast<size_t>(page)]; }
  Node& add_new(const Position& at, std::span<const i32> ids, PageId page, i64 exact_tokens);
  void improve(Node& node, PageId page, i64 exact_tokens);
  /// A sequence has written on in a page of which a part is here already.
  void take_from_shorter(PageId page, const Position& at, i64 tokens);
  void give_page(Node& node, PageId page);
  void count(Owner& owner, i64 pages, i64 tokens);
  void update_idle(Node& node);
  void set_unheld(Node& node, bool is_unheld);
  void set_idle(Node& node, bool is_idle);

  PagePool& pool_;
  ChainHasher hasher_;
  i64 share_pages_;
  u64 uses_ = 0;
  i64 num_unheld_ = 0;

  // Below the containers, whose nodes it recycles: a steady state asks the system for nothing.
  std::pmr::monotonic_buffer_resource arena_;
  std::pmr::unsynchronized_pool_resource memory_;
  std::vector<Node> nodes_;  // as many as the pool has pages
  std::vector<Node*> free_nodes_;
  std::vector<Node*> node_of_page_;  // null: not in the index
  SiblingOrder order_;
  IdleLeaves idle_;
  std::map<std::string, Owner, std::less<>> owners_;
  std::set<Owner*, FewerPages> by_pages_;
};

}  // namespace fathom::engine
