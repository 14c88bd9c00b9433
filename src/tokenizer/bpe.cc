#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>

#include "base/check.h"

namespace fathom::tokenizer {
namespace {

constexpr i32 kNoMerge = std::numeric_limits<i32>::max();
/// Up to this many bytes, searching the lowest rank anew for each merge beats keeping a heap.
constexpr size_t kMaxShortPieceBytes = 48;

}  // namespace

MergeTable::MergeTable(size_t num_merges) {
  const size_t num_slots = std::bit_ceil(std::max<size_t>(2 * num_merges, 16));
  slots_.resize(num_slots);
  mask_ = num_slots - 1;
  shift_ = 64 - static_cast<u32>(std::countr_zero(num_slots));
}

void MergeTable::insert(const Entry& entry) {
  size_t slot = slot_of(entry.left, entry.right);
  const auto is_taken = [&](const Entry& old) {
    return old.left >= 0 && (old.left != entry.left || old.right != entry.right);
  };
  while (is_taken(slots_[slot])) slot = (slot + 1) & mask_;
  slots_[slot] = entry;
}

void Bpe::merge(std::string_view piece, std::vector<i32>& ids) const {
  if (piece.size() <= kMaxShortPieceBytes) {
    merge_short(piece, ids);
  } else {
    merge_long(piece, ids);
  }
}

void Bpe::merge_short(std::string_view piece, std::vector<i32>& ids) const {
  // symbol[i] and the merge of the pair (i, i + 1), kept dense: a merge moves the tail down.
  std::array<i32, kMaxShortPieceBytes> symbol;
  std::array<i32, kMaxShortPieceBytes> rank;
  std::array<i32, kMaxShortPieceBytes> merged;
  size_t count = piece.size();
  for (size_t i = 0; i < count; ++i) symbol[i] = byte_ids_[static_cast<u8>(piece[i])];
  const auto look_up = [&](size_t i) {
    const MergeTable::Entry* entry = merges_.find(symbol[i], symbol[i + 1]);
    rank[i] = entry != nullptr ? entry->rank : kNoMerge;
    merged[i] = entry != nullptr ? entry->merged : -1;
  };
  for (size_t i = 0; i + 1 < count; ++i) look_up(i);
  while (count > 1) {
    const auto lowest = std::min_element(rank.begin(), rank.begin() + (count - 1));
    if (*lowest == kNoMerge) break;
    const auto at = static_cast<size_t>(lowest - rank.begin());
    symbol[at] = merged[at];
    --count;
    for (size_t i = at + 1; i < count; ++i) symbol[i] = symbol[i + 1];
    for (size_t i = at + 1; i + 1 < count; ++i) {
      rank[i] = rank[i + 1];
      merged[i] = merged[i + 1];
    }
    if (at + 1 < count) look_up(at);
    if (at > 0) look_up(at - 1);
  }
  ids.insert(ids.end(), symbol.begin(), symbol.begin() + count);
}

void Bpe::merge_long(std::string_view piece, std::vector<i32>& ids) const {
  FATHOM_CHECK(piece.size() <= kMaxPieceBytes, "piece of ", piece.size(), " bytes");
  struct Symbol {
    i32 id;
    i32 previous;  // -1 at the front
    i32 next;      // -1 at the back
  };
  const auto size = static_cast<i32>(piece.size());
  std::vector<Symbol> symbols(piece.size());
  const auto at = [&](i32 position) -> Symbol& { return symbols[static_cast<size_t>(position)]; };
  for (i32 i = 0; i < size; ++i) {
    at(i) = {.id = byte_ids_[static_cast<u8>(piece[static_cast<size_t>(i)])],
             .previous = i - 1,
             .next = i + 1 < size ? i + 1 : -1};
  }
  // rank << 32 | position of the left symbol: the least is the lowest rank, leftmost.
  std::vector<u64> heap;
  const auto merge_at = [&](i32 position) -> const MergeTable::Entry* {
    if (position < 0 || at(position).id < 0 || at(position).next < 0) return nullptr;
    return merges_.find(at(position).id, at(at(position).next).id);
  };
  const auto key_of = [](const MergeTable::Entry& entry, i32 position) {
    return static_cast<u64>(entry.rank) << 32 | static_cast<u32>(position);
  };
  for (i32 i = 0; i + 1 < size; ++i) {
    if (const MergeTable::Entry* entry = merge_at(i)) heap.push_back(key_of(*entry, i));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const u64 key = heap.back();
    heap.pop_back();
    const auto position = static_cast<i32>(key & 0xFFFFFFFFu);
    const MergeTable::Entry* const best = merge_at(position);
    // Stale once either symbol took part in another merge.
    if (best == nullptr || key_of(*best, position) != key) continue;
    Symbol& left = at(position);
    Symbol& right = at(left.next);
    left.id = best->merged;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) at(left.next).previous = position;
    for (const i32 changed : {left.previous, position}) {
      if (const MergeTable::Entry* entry = merge_at(changed)) {
        heap.push_back(key_of(*entry, changed));
        std::push_heap(heap.begin(), heap.end(), std::greater<>());
      }
    }
  }
  for (i32 i = 0; i >= 0; i = at(i).next) ids.push_back(at(i).id);
}

}  // namespace fathom::tokenizer
