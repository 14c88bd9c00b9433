#include "parallel/replica_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "io/content_hash.h"

namespace fathom::parallel {
namespace {

/// Ranks of the group whose number is not the one that most have.
std::vector<int> outliers(std::span<const u64> numbers) {
  const auto votes = [&](u64 number) { return std::ranges::count(numbers, number); };
  const u64 agreed = *std::ranges::max_element(numbers, {}, votes);  // the first of equal ones
  std::vector<int> ranks;
  for (size_t rank = 0; rank < numbers.size(); ++rank) {
    if (numbers[rank] != agreed) ranks.push_back(static_cast<int>(rank));
  }
  return ranks;
}

std::string group_difference(comm::Comm& group, const Shards& shards,
                             std::span<const float> weights, Holders holders) {
  std::vector<const checkpoint::ParameterSlot*> of_group;
  std::vector<u64> mine;
  for (const checkpoint::ParameterSlot& slot : shards.layout().slots()) {
    if (shards.holders_of(slot.parameter) != holders) continue;
    of_group.push_back(&slot);
    io::Hasher hasher;
    hasher.update({reinterpret_cast<const u8*>(weights.data() + slot.offset),
                   static_cast<size_t>(slot.parameter.elements()) * sizeof(float)});
    mine.push_back(hasher.digest().low);
  }
  const auto ranks = static_cast<size_t>(group.size());
  std::vector<u64> all(mine.size() * ranks), of_slot(ranks);
  group.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
  for (size_t slot = 0; slot < mine.size(); ++slot) {
    for (size_t rank = 0; rank < ranks; ++rank) of_slot[rank] = all[rank * mine.size() + slot];
    std::vector<int> bad = outliers(of_slot);
    if (bad.empty()) continue;
    for (int& rank : bad) rank = group.world_rank(rank);
    return fmt::format("{}: the copy of rank {} differs from those of the others",
                       of_group[slot]->parameter.name, fmt::join(bad, ", "));
  }
  return "";
}

}  // namespace

std::string replica_difference(Groups& groups, const Shards& shards,
                               std::span<const float> weights) {
  std::string first;
  for (const Holders holders : kAllHolders) {
    const std::string found = group_difference(groups.of(holders), shards, weights, holders);
    if (first.empty()) first = found;
  }
  return first;
}

}  // namespace fathom::parallel
