#include "parallel/block_exchange.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "model/exchange/messages.h"
#include "ops/optimizer/optimizer.h"
#include "parallel/tree_sum.h"

namespace fathom::parallel {
namespace {

/// Of one owner and round: 4 MiB of f32.
constexpr i64 kRoundElements = i64{1} << 20;

void copy_out(std::span<const ShardBlock> part, const float* array, u8* out) {
  for (const ShardBlock& block : part) {
    const auto bytes = static_cast<size_t>(block.count) * sizeof(float);
    std::memcpy(out, array + block.begin, bytes);
    out += bytes;
  }
}

void copy_in(std::span<const ShardBlock> part, const u8* in, float* array) {
  for (const ShardBlock& block : part) {
    const auto bytes = static_cast<size_t>(block.count) * sizeof(float);
    std::memcpy(array + block.begin, in, bytes);
    in += bytes;
  }
}

}  // namespace

i64 BlockExchange::bytes_of(Part part) {
  i64 elements = 0;
  for (const ShardBlock& block : part) elements += block.count;
  return elements * static_cast<i64>(sizeof(float));
}

BlockExchange::BlockExchange(comm::Comm& group, const Shards& shards, Holders holders)
    : group_(group) {
  std::vector<std::vector<ShardBlock>> owned(static_cast<size_t>(group.size()));
  for (const ShardBlock& block : shards.blocks()) {
    if (block.holders == holders) owned[static_cast<size_t>(block.owner)].push_back(block);
  }
  for (const auto& blocks : owned) blocks_.insert(blocks_.end(), blocks.begin(), blocks.end());
  const ShardBlock* next = blocks_.data();
  for (size_t owner = 0; owner < owned.size(); ++owner) {
    const ShardBlock* const end = next + owned[owner].size();
    for (size_t round = 0; next != end; ++round) {
      const ShardBlock* const begin = next;
      for (i64 taken = 0; next != end && taken < kRoundElements; ++next) taken += next->count;
      if (round == rounds_.size()) rounds_.emplace_back(owned.size());
      rounds_[round][owner] = {begin, next};
    }
  }
}

void BlockExchange::sum_to_owners(Ctx& ctx, std::span<float> array, GradientReduction order) const {
  if (group_.size() == 1) return;
  FATHOM_CHECK(order == GradientReduction::kRankOrder ||
                   std::has_single_bit(static_cast<u64>(group_.size())),
               "a tree over ", group_.size(), " ranks, expected 1, 2, 4, ...");
  const auto me = static_cast<size_t>(group_.rank());
  for (const std::vector<Part>& round : rounds_) {
    Workspace::Scope scratch(ctx.workspace());
    const Part mine = round[me];
    const model::Messages messages(
        scratch, group_.size(),
        [&](i64 owner) { return bytes_of(round[static_cast<size_t>(owner)]); },
        [&](i64) { return bytes_of(mine); });
    for (i64 owner = 0; owner < group_.size(); ++owner) {
      copy_out(round[static_cast<size_t>(owner)], array.data(), messages.to(owner));
    }
    messages.exchange(group_);
    const auto elements = static_cast<size_t>(bytes_of(mine)) / sizeof(float);
    const auto of = [&](i64 rank) {
      return std::span(reinterpret_cast<float*>(messages.from(rank)), elements);
    };
    if (order == GradientReduction::kRankOrder) {
      for (i64 rank = 1; rank < group_.size(); ++rank) add_to(of(rank), of(0));
    } else {
      for (i64 step = 1; step < group_.size(); step *= 2) {
        for (i64 rank = 0; rank < group_.size(); rank += 2 * step)
          add_to(of(rank + step), of(rank));
      }
    }
    copy_in(mine, messages.from(0), array.data());
  }
}

void BlockExchange::gather_from_owners(Ctx& ctx, std::span<float> array) const {
  if (group_.size() == 1) return;
  const auto me = static_cast<size_t>(group_.rank());
  for (const std::vector<Part>& round : rounds_) {
    Workspace::Scope scratch(ctx.workspace());
    const model::Messages messages(
        scratch, group_.size(), [&](i64) { return bytes_of(round[me]); },
        [&](i64 owner) { return bytes_of(round[static_cast<size_t>(owner)]); });
    for (i64 rank = 0; rank < group_.size(); ++rank) {
      copy_out(round[me], array.data(), messages.to(rank));
    }
    messages.exchange(group_);
    for (i64 owner = 0; owner < group_.size(); ++owner) {
      copy_in(round[static_cast<size_t>(owner)], messages.from(owner), array.data());
    }
  }
}

OwnerExchange::OwnerExchange(Groups& groups, const Shards& shards) {
  for (const Holders holders : kAllHolders) {
    of_holders_.emplace_back(groups.of(holders), shards, holders);
  }
}

void OwnerExchange::sum_to_owners(Ctx& ctx, std::span<float> array, GradientReduction order) const {
  for (const BlockExchange& blocks : of_holders_) blocks.sum_to_owners(ctx, array, order);
}

void OwnerExchange::gather_from_owners(Ctx& ctx, std::span<float> array) const {
  for (const BlockExchange& blocks : of_holders_) blocks.gather_from_owners(ctx, array);
}

double gradient_norm(Ctx& ctx, comm::Comm& world, const Shards& shards,
                     std::span<const float> gradients) {
  struct BlockSum {
    i64 model_offset;
    double squares;
  };
  std::vector<BlockSum> sums;
  for (const ShardBlock& block : shards.own_blocks()) {
    const View<const float, 1> x(gradients.data() + block.begin, {block.count});
    sums.push_back({block.model_offset, ops::sum_of_squares(ctx, x)});
  }
  Workspace::Scope scratch(ctx.workspace());
  const auto counts = scratch.alloc<i64>(world.size());
  const i64 count = std::ssize(sums);
  world.all_gather(
      std::as_bytes(std::span(&count, 1)),
      std::as_writable_bytes(std::span(counts.data(), static_cast<size_t>(world.size()))));
  constexpr i64 kSumBytes = sizeof(BlockSum);
  const model::Messages messages(
      scratch, world.size(), [&](i64) { return count * kSumBytes; },
      [&](i64 rank) { return counts(rank) * kSumBytes; });
  for (i64 rank = 0; rank < world.size(); ++rank) {
    std::memcpy(messages.to(rank), sums.data(), sums.size() * sizeof(BlockSum));
  }
  messages.exchange(world);
  sums.clear();
  for (i64 rank = 0; rank < world.size(); ++rank) {
    const auto* from = reinterpret_cast<const BlockSum*>(messages.from(rank));
    sums.insert(sums.end(), from, from + counts(rank));
  }
  std::ranges::sort(sums, {}, &BlockSum::model_offset);
  double sum = 0.0;
  for (const BlockSum& block : sums) sum += block.squares;
  return std::sqrt(sum);
}

}  // namespace fathom::parallel
