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

std::string group_difference(comm::Comm& group, std::span<const checkpoint::ParameterSlot> slots,
                             std::span<const float> weights, bool experts) {
  std::vector<const checkpoint::ParameterSlot*> of_group;
  std::vector<u64> mine;
  for (const checkpoint::ParameterSlot& slot : slots) {
    if ((slot.parameter.expert >= 0) != experts) continue;
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
  const auto slots = shards.layout().slots();
  const std::string dense = group_difference(groups.holders(), slots, weights, false);
  const std::string experts = group_difference(groups.expert_holders(), slots, weights, true);
  return dense.empty() ? experts : dense;
}

}  // namespace fathom::parallel
