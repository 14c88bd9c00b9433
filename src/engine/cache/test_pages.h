#pragma once
// For the tests of the cache: rows that say whose they are.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "engine/cache/chain_key.h"
#include "engine/cache/page_pool.h"

namespace fathom::engine {

inline constexpr Namespace kAlice = {"alice", ""}, kBob = {"bob", ""};

inline constexpr device::PageShape kTestShape = {.layers = 3, .row_bytes = 16};

inline std::vector<i32> counting(i64 tokens, i32 first = 0) {
  std::vector<i32> ids(static_cast<size_t>(tokens));
  for (size_t t = 0; t < ids.size(); ++t) ids[t] = first + static_cast<i32>(t);
  return ids;
}

/// What a row of token `position` depends on: its namespace, the ids up to it, and whether it is
/// exact.
inline u64 row_mark(std::string_view space, std::span<const i32> ids, i64 position, bool exact) {
  u64 hash = exact ? 0x9E3779B97F4A7C15 : 0xCBF29CE484222325;
  const auto mix = [&hash](u64 value) {
    hash = (hash ^ value) * 0xD6E8FEB86659FD93;
    hash ^= hash >> 32;
  };
  for (const char c : space) mix(static_cast<u8>(c));
  mix(space.size());
  for (i64 t = 0; t <= position; ++t) mix(static_cast<u32>(ids[static_cast<size_t>(t)]));
  return hash;
}

inline u64& mark_at(u8* page, i64 layer, i64 row) {
  return *reinterpret_cast<u64*>(page + layer * kTestShape.layer_bytes() +
                                 row * kTestShape.row_bytes);
}

inline void write_mark(u8* page, i64 row, u64 mark) {
  for (i64 layer = 0; layer < kTestShape.layers; ++layer) {
    mark_at(page, layer, row) = mark + static_cast<u64>(layer);
  }
}

inline bool has_mark(u8* page, i64 row, u64 mark) {
  for (i64 layer = 0; layer < kTestShape.layers; ++layer) {
    if (mark_at(page, layer, row) != mark + static_cast<u64>(layer)) return false;
  }
  return true;
}

}  // namespace fathom::engine
