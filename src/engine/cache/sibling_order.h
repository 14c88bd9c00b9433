#pragma once
// Pages by what they hold, ordered so that the one that shares most with a text is found at once.
#include <array>
#include <memory_resource>
#include <set>
#include <span>

#include "base/types.h"
#include "device/paged_rows.h"
#include "engine/cache/chain_key.h"

namespace fathom::engine {

/// What a page holds, wherever its rows are: in memory or in a file.
struct PageEntry {
  ChainKey space;   // the root of its namespace
  ChainKey parent;  // of the page before, or the root
  ChainKey key;
  i64 tokens = 0;        // kPageTokens, or fewer: then nothing follows
  i64 exact_tokens = 0;  // its first rows that are exact (docs/glossary.md)
  std::array<i32, device::kPageTokens> ids{};

  std::span<const i32> token_ids() const { return {ids.data(), static_cast<size_t>(tokens)}; }
};

/// Which rows a request takes from the cache. kExact: those alone that were computed as rows of a
/// prompt on top of such rows, so that the answer does not depend on what was cached before.
enum class RowKind { kAny, kExact };

/// A set of entries; it holds pointers. Entries of one parent stand in the lexicographic order of
/// their ids, where the neighbours of a text share the longest prefixes with it.
class SiblingOrder {
 public:
  struct Match {
    const PageEntry* page = nullptr;
    i64 tokens = 0;  // the first ones, in which page and text agree
  };

  explicit SiblingOrder(std::pmr::memory_resource* memory);

  /// No two entries have the same parent and ids. While an entry is in, its fields stay.
  void insert(const PageEntry& entry);
  void erase(const PageEntry& entry);

  /// The entry with just these ids, or null.
  const PageEntry* find(const ChainKey& parent, std::span<const i32> ids) const;
  /// The entry whose rows of that kind serve most tokens of the text; none if that is 0.
  Match longest(const ChainKey& parent, std::span<const i32> text, RowKind rows) const;
  /// An entry that begins with these ids, if no exact rows are missing either: entries that begin
  /// with the first `exact_tokens` have them exact. Null if a page of them would be of use.
  const PageEntry* covering(const ChainKey& parent, std::span<const i32> ids,
                            i64 exact_tokens) const;
  /// An entry that adds nothing to this one: all its ids, and its exact ones, are the first ones
  /// of `entry`. Null if there is none.
  const PageEntry* covered_by(const PageEntry& entry) const;

 private:
  struct Text {
    const ChainKey& parent;
    std::span<const i32> ids;
  };
  struct Less {
    using is_transparent = void;
    RowKind rows;
    Text text(const PageEntry& entry) const;
    bool operator()(const PageEntry* a, const PageEntry* b) const;
    bool operator()(const PageEntry* a, const Text& b) const;
    bool operator()(const Text& a, const PageEntry* b) const;
  };
  using Order = std::pmr::set<const PageEntry*, Less>;

  Order any_;
  Order exact_;  // by the exact ids alone, where there are any
};

}  // namespace fathom::engine
