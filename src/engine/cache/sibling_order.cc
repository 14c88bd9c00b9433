#include "engine/cache/sibling_order.h"

#include <algorithm>
#include <compare>
#include <functional>
#include <iterator>

#include "base/check.h"

namespace fathom::engine {
namespace {

i64 common_prefix(std::span<const i32> a, std::span<const i32> b) {
  const size_t size = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(size), b.begin()).first -
         a.begin();
}

bool precedes(std::span<const i32> a, std::span<const i32> b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

SiblingOrder::Text SiblingOrder::Less::text(const PageEntry& entry) const {
  const i64 tokens = rows == RowKind::kExact ? entry.exact_tokens : entry.tokens;
  return {entry.parent, {entry.ids.data(), static_cast<size_t>(tokens)}};
}

bool SiblingOrder::Less::operator()(const PageEntry* a, const Text& b) const {
  const Text text_a = text(*a);
  const auto order = text_a.parent <=> b.parent;
  if (std::is_neq(order)) return std::is_lt(order);
  return precedes(text_a.ids, b.ids);
}

bool SiblingOrder::Less::operator()(const Text& a, const PageEntry* b) const {
  const Text text_b = text(*b);
  const auto order = a.parent <=> text_b.parent;
  if (std::is_neq(order)) return std::is_lt(order);
  return precedes(a.ids, text_b.ids);
}

bool SiblingOrder::Less::operator()(const PageEntry* a, const PageEntry* b) const {
  if ((*this)(a, text(*b))) return true;
  if ((*this)(text(*b), a)) return false;
  return std::less<>()(a, b);  // exact rows may be the same in two pages
}

SiblingOrder::SiblingOrder(std::pmr::memory_resource* memory)
    : any_(Less{RowKind::kAny}, memory), exact_(Less{RowKind::kExact}, memory) {}

void SiblingOrder::insert(const PageEntry& entry) {
  FATHOM_CHECK(entry.tokens > 0 && entry.tokens <= device::kPageTokens && entry.exact_tokens >= 0 &&
                   entry.exact_tokens <= entry.tokens,
               entry.exact_tokens, " exact of ", entry.tokens, " tokens in a page");
  FATHOM_CHECK(find(entry.parent, entry.token_ids()) == nullptr, "a page is there twice");
  any_.insert(&entry);
  if (entry.exact_tokens > 0) exact_.insert(&entry);
}

void SiblingOrder::erase(const PageEntry& entry) {
  FATHOM_CHECK(any_.erase(&entry) == 1, "a page that is not there leaves");
  if (entry.exact_tokens > 0) exact_.erase(&entry);
}

const PageEntry* SiblingOrder::find(const ChainKey& parent, std::span<const i32> ids) const {
  const auto found = any_.find(Text{parent, ids});
  return found == any_.end() ? nullptr : *found;
}

SiblingOrder::Match SiblingOrder::longest(const ChainKey& parent, std::span<const i32> text,
                                          RowKind rows) const {
  const Order& order = rows == RowKind::kExact ? exact_ : any_;
  const Text wanted = {parent, text};
  Match best;
  const auto consider = [&](const PageEntry& entry) {
    const Text candidate = order.key_comp().text(entry);
    if (candidate.parent != parent) return;
    const i64 tokens = common_prefix(candidate.ids, text);
    if (tokens > best.tokens) best = {&entry, tokens};
  };
  const auto behind = order.lower_bound(wanted);
  if (behind != order.end()) consider(**behind);
  if (behind != order.begin()) consider(**std::prev(behind));
  return best;
}

const PageEntry* SiblingOrder::covering(const ChainKey& parent, std::span<const i32> ids,
                                        i64 exact_tokens) const {
  const Match any = longest(parent, ids, RowKind::kAny);
  const Match exact =
      longest(parent, ids.first(static_cast<size_t>(exact_tokens)), RowKind::kExact);
  return any.tokens == std::ssize(ids) && exact.tokens == exact_tokens ? any.page : nullptr;
}

const PageEntry* SiblingOrder::covered_by(const PageEntry& entry) const {
  // The last entry that is not behind the first `tokens` ids is a prefix of them, or shows how long
  // the next candidate can be.
  for (i64 tokens = entry.tokens - 1; tokens > 0;) {
    const auto ids = entry.token_ids().first(static_cast<size_t>(tokens));
    const auto place = any_.upper_bound(Text{entry.parent, ids});
    if (place == any_.begin()) return nullptr;
    const PageEntry& before = **std::prev(place);
    if (before.parent != entry.parent) return nullptr;
    const i64 common = common_prefix(before.token_ids(), ids);
    const bool is_prefix = common == before.tokens;
    if (is_prefix && before.exact_tokens <= entry.exact_tokens) return &before;
    tokens = is_prefix ? common - 1 : common;
  }
  return nullptr;
}

}  // namespace fathom::engine
