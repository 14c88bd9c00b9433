#include "engine/ranks/prefix_router.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace fathom::engine {
namespace {

/// The finaliser of SplitMix64.
u64 mix(u64 x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

u64 text_hash(std::string_view text) { return mix(std::hash<std::string_view>()(text) + 1); }

}  // namespace

PrefixRouter::PrefixRouter(i64 ranks, const PrefixRouterOptions& options)
    : ranks_(ranks), options_(options), chosen_(static_cast<size_t>(std::max<i64>(ranks, 0)), 0) {
  FATHOM_CHECK(ranks >= 1 && options.step_tokens >= 1 && options.capacity >= 1, ranks, " ranks");
}

std::vector<u64> prefix_keys(std::string_view tenant, std::string_view salt,
                             std::span<const i32> ids, i64 step_tokens) {
  std::vector<u64> keys;
  u64 hash = mix(text_hash(tenant) * 3 + text_hash(salt));
  for (size_t t = 0; t < ids.size(); ++t) {
    hash = mix(hash + static_cast<u64>(static_cast<u32>(ids[t])) + 1);
    if (static_cast<i64>(t + 1) % step_tokens == 0) keys.push_back(hash);
  }
  return keys;
}

i64 PrefixRouter::choose(std::string_view tenant, std::string_view salt, std::span<const i32> ids,
                         std::span<const i64> loads) {
  return choose(prefix_keys(tenant, salt, ids, options_.step_tokens), loads);
}

i64 PrefixRouter::choose(std::span<const u64> keys, std::span<const i64> loads) {
  FATHOM_CHECK(std::ssize(loads) == ranks_, loads.size(), " loads of ", ranks_, " ranks");
  const i64 least = *std::ranges::min_element(loads);
  i64 rank = least_chosen(loads, least);
  // The longest beginning that is known somewhere with room.
  for (size_t i = keys.size(); i-- > 0;) {
    const auto known = ranks_of_.find(keys[i]);
    if (known == ranks_of_.end()) continue;
    if (loads[static_cast<size_t>(known->second.rank)] > least + options_.patience) continue;
    rank = known->second.rank;
    known_steps_ += static_cast<i64>(i + 1);
    break;
  }
  all_steps_ += std::ssize(keys);
  for (const u64 key : keys) remember(key, rank);
  ++chosen_[static_cast<size_t>(rank)];
  return rank;
}

/// Of those with this load: new texts spread over all caches, also where they come one by one.
i64 PrefixRouter::least_chosen(std::span<const i64> loads, i64 load) const {
  i64 rank = -1;
  for (i64 r = 0; r < ranks_; ++r) {
    const auto at = static_cast<size_t>(r);
    if (loads[at] != load) continue;
    if (rank < 0 || chosen_[at] < chosen_[static_cast<size_t>(rank)]) rank = r;
  }
  return rank;
}

void PrefixRouter::level(i64 rank, std::span<const i64> among) {
  if (among.empty()) return;
  i64 fewest = chosen_[static_cast<size_t>(among.front())];
  for (const i64 each : among) fewest = std::min(fewest, chosen_[static_cast<size_t>(each)]);
  i64& own = chosen_[static_cast<size_t>(rank)];
  own = std::max(own, fewest);
}

void PrefixRouter::remember(u64 key, i64 rank) {
  ranks_of_[key] = {rank, ++stamps_};
  by_age_.emplace_back(key, stamps_);
  while (std::ssize(by_age_) > options_.capacity) {
    const auto [old, stamp] = by_age_.front();
    by_age_.pop_front();
    const auto found = ranks_of_.find(old);
    if (found != ranks_of_.end() && found->second.stamp == stamp) ranks_of_.erase(found);
  }
}

}  // namespace fathom::engine
