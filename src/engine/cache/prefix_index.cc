#include "engine/cache/prefix_index.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace fathom::engine {
namespace {

/// Of a tree node in a set, four of which a page may need.
constexpr i64 kSetNodeBytes = 64;

/// The orders have const pointers, so that nothing that orders them can change; all of them are
/// nodes of ours.
PrefixIndex::Node* node_of(const PageEntry* entry) {
  return static_cast<PrefixIndex::Node*>(const_cast<PageEntry*>(entry));
}

}  // namespace

bool PrefixIndex::FewerPages::operator()(const Owner* a, const Owner* b) const {
  if (a->stats.pages != b->stats.pages) return a->stats.pages < b->stats.pages;
  return a->name < b->name;
}

PrefixIndex::PrefixIndex(PagePool& pool, const ChainSecret& secret, double max_share)
    : pool_(pool),
      hasher_(secret),
      share_pages_(static_cast<i64>(max_share * static_cast<double>(pool.num_pages()))),
      arena_(static_cast<size_t>(pool.num_pages() * 4 * kSetNodeBytes)),
      memory_({.max_blocks_per_chunk = 0, .largest_required_pool_block = kSetNodeBytes}, &arena_),
      nodes_(static_cast<size_t>(pool.num_pages())),
      node_of_page_(nodes_.size(), nullptr),
      order_(&memory_),
      idle_(&memory_) {
  FATHOM_CHECK(max_share > 0 && max_share <= 1, "share ", max_share);
  free_nodes_.reserve(nodes_.size());
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) free_nodes_.push_back(&*node);
}

PrefixIndex::~PrefixIndex() {
  for (const Node& node : nodes_) {
    if (node.page != kNoPage) pool_.release(node.page);
  }
}

PrefixIndex::Owner& PrefixIndex::owner(std::string_view name) {
  auto found = owners_.find(name);
  if (found == owners_.end()) {
    const std::string key(name);
    found = owners_.try_emplace(key, Owner{key, {}, 0, IdleLeaves(&memory_)}).first;
    by_pages_.insert(&found->second);
  }
  return found->second;
}

u64 PrefixIndex::num_inserts(std::string_view owner) const {
  const auto found = owners_.find(owner);
  return found == owners_.end() ? 0 : found->second.inserts;
}

PrefixIndex::Position PrefixIndex::root(const Namespace& space) {
  const ChainKey key = hasher_.root(space);
  return {&owner(space.owner), nullptr, key, key};
}

PrefixIndex::Node* PrefixIndex::find(const Position& at, std::span<const i32> ids, RowKind rows) {
  Node* const node = node_of(order_.find(at.key, ids));
  const bool serves =
      node != nullptr && (rows == RowKind::kAny || node->exact_tokens == node->tokens);
  return serves ? node : nullptr;
}

PrefixIndex::Match PrefixIndex::longest(const Position& at, std::span<const i32> text,
                                        RowKind rows) {
  const SiblingOrder::Match match = order_.longest(at.key, text, rows);
  return {node_of(match.page), match.tokens};
}

PrefixIndex::Node& PrefixIndex::add(const Position& at, std::span<const i32> ids, PageId page,
                                    i64 exact_tokens) {
  if (Node* same = find(at, ids, RowKind::kAny)) {
    if (same->exact_tokens < exact_tokens) improve(*same, page, exact_tokens);
    return *same;
  }
  if (const PageEntry* longer = order_.covering(at.key, ids, exact_tokens)) {
    return *node_of(longer);
  }
  return add_new(at, ids, page, exact_tokens);
}

PrefixIndex::Node& PrefixIndex::add_new(const Position& at, std::span<const i32> ids, PageId page,
                                        i64 exact_tokens) {
  take_from_shorter(page, at, std::ssize(ids));
  FATHOM_CHECK(!free_nodes_.empty(), "more nodes than pages");
  Node& node = *free_nodes_.back();
  free_nodes_.pop_back();
  node.parent = at.node;
  node.space = at.space;
  node.PageEntry::parent = at.key;
  node.key = hasher_.next(at.key, ids);
  node.tokens = std::ssize(ids);
  node.exact_tokens = exact_tokens;
  std::ranges::copy(ids, node.ids.begin());
  node.owner = at.owner;
  node.last_use = ++uses_;
  give_page(node, page);
  order_.insert(node);
  count(*node.owner, 1, node.tokens);
  ++node.owner->inserts;
  if (node.parent != nullptr) {
    ++node.parent->children;
    update_idle(*node.parent);
  }
  update_idle(node);
  while (const PageEntry* useless = order_.covered_by(node)) {
    drop(*node_of(useless));
  }
  return node;
}

void PrefixIndex::improve(Node& node, PageId page, i64 exact_tokens) {
  if (page != node.page) take_from_shorter(page, {node.owner, node.parent, {}, {}}, node.tokens);
  order_.erase(node);
  node.is_offered = false;
  node.exact_tokens = exact_tokens;
  order_.insert(node);
  ++node.owner->inserts;
  if (node.page != page) {
    const PageId old = node.page;
    node_of_page_[static_cast<size_t>(old)] = nullptr;
    give_page(node, page);
    pool_.release(old);
  }
  update_idle(node);
}

void PrefixIndex::take_from_shorter(PageId page, const Position& at, i64 tokens) {
  Node* const shorter = at_page(page);
  if (shorter == nullptr) return;
  FATHOM_CHECK(shorter->parent == at.node && shorter->owner == at.owner && shorter->tokens < tokens,
               "page ", page, " is published with two texts");
  drop(*shorter);
}

void PrefixIndex::give_page(Node& node, PageId page) {
  pool_.retain(page);
  node.page = page;
  node_of_page_[static_cast<size_t>(page)] = &node;
}

void PrefixIndex::use(Node& node) {
  for (Node* used = &node; used != nullptr; used = used->parent) {
    const bool was_idle = used->is_idle;
    if (was_idle) set_idle(*used, false);
    used->last_use = ++uses_;
    if (was_idle) set_idle(*used, true);
  }
}

void PrefixIndex::references_changed(PageId page) {
  if (Node* node = at_page(page)) update_idle(*node);
}

PrefixIndex::Node* PrefixIndex::victim() {
  for (auto it = by_pages_.rbegin(); it != by_pages_.rend(); ++it) {
    const Owner& largest = **it;
    if (largest.stats.pages <= share_pages_) break;
    if (!largest.idle.empty()) return *largest.idle.begin();
  }
  return idle_.empty() ? nullptr : *idle_.begin();
}

void PrefixIndex::drop(Node& node) {
  FATHOM_CHECK(node.page != kNoPage && node.children == 0, "page ", node.page, " leaves with ",
               node.children, " pages behind it");
  if (node.is_idle) set_idle(node, false);
  set_unheld(node, false);
  order_.erase(node);
  count(*node.owner, -1, -node.tokens);
  if (node.parent != nullptr) {
    --node.parent->children;
    update_idle(*node.parent);
  }
  node_of_page_[static_cast<size_t>(node.page)] = nullptr;
  pool_.release(node.page);
  node = Node();
  free_nodes_.push_back(&node);
}

i64 PrefixIndex::flush(std::string_view owner) {
  std::vector<Node*> pages;
  for (Node& node : nodes_) {
    if (node.page != kNoPage && node.owner->name == owner) pages.push_back(&node);
  }
  std::sort(pages.begin(), pages.end(), EarlierUse());  // children come before their parents
  for (Node* node : pages) drop(*node);
  return std::ssize(pages);
}

std::map<std::string, CacheStats> PrefixIndex::stats() const {
  std::map<std::string, CacheStats> result;
  for (const auto& [name, owner] : owners_) result[name] = owner.stats;
  return result;
}

void PrefixIndex::count(Owner& owner, i64 pages, i64 tokens) {
  auto place = by_pages_.extract(&owner);
  owner.stats.pages += pages;
  owner.stats.tokens += tokens;
  by_pages_.insert(std::move(place));
}

void PrefixIndex::update_idle(Node& node) {
  set_unheld(node, pool_.references(node.page) == 1);
  const bool is_idle = node.is_unheld && node.children == 0;
  if (is_idle != node.is_idle) set_idle(node, is_idle);
}

void PrefixIndex::set_unheld(Node& node, bool is_unheld) {
  num_unheld_ += (is_unheld ? 1 : 0) - (node.is_unheld ? 1 : 0);
  node.is_unheld = is_unheld;
}

void PrefixIndex::set_idle(Node& node, bool is_idle) {
  node.is_idle = is_idle;
  for (IdleLeaves* leaves : {&idle_, &node.owner->idle}) {
    if (is_idle) {
      leaves->insert(&node);
    } else {
      leaves->erase(&node);
    }
  }
}

}  // namespace fathom::engine
