#include "parallel/shards.h"

#include <algorithm>

namespace fathom::parallel {
namespace {

void cut(const checkpoint::ParameterSlot& slot, i64 end, Holders holders,
         std::vector<ShardBlock>& blocks) {
  for (i64 begin = slot.offset; begin < end; begin += kBlockElements) {
    blocks.push_back({.slot = &slot,
                      .begin = begin,
                      .count = std::min(kBlockElements, end - begin),
                      .model_offset = slot.model_offset + begin - slot.offset,
                      .holders = holders});
  }
}

/// Block after block to the owner in whose equal part of the elements its middle lies.
void deal(std::vector<ShardBlock>& blocks, Holders holders, i64 ranks) {
  i64 total = 0;
  for (const ShardBlock& block : blocks) total += block.holders == holders ? block.count : 0;
  i64 before = 0;
  for (ShardBlock& block : blocks) {
    if (block.holders != holders) continue;
    const i64 middle = before + block.count / 2;
    block.owner = std::min(
        ranks - 1, static_cast<i64>(static_cast<double>(middle) / static_cast<double>(total) *
                                    static_cast<double>(ranks)));
    before += block.count;
  }
}

}  // namespace

Holders Shards::holders_of(const Parameter& parameter) const {
  if (parameter.expert >= 0) return Holders::kExperts;
  return ends_apart_ && parameter.part == ModelPart::kEmbedding ? Holders::kEnds : Holders::kDense;
}

Shards::Shards(const checkpoint::ParameterLayout& layout, ShardPlace dense, ShardPlace expert,
               std::optional<ShardPlace> ends)
    : layout_(&layout), ends_apart_(ends.has_value()) {
  const std::span<const checkpoint::ParameterSlot> slots = layout.slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    cut(slots[i], i + 1 < slots.size() ? slots[i + 1].offset : layout.size(),
        holders_of(slots[i].parameter), blocks_);
  }
  const std::array places = {dense, expert, ends.value_or(ShardPlace{})};
  const auto place_of = [&](Holders holders) { return places[static_cast<size_t>(holders)]; };
  for (const Holders holders : kAllHolders) deal(blocks_, holders, place_of(holders).size);
  for (const ShardBlock& block : blocks_) {
    if (block.owner != place_of(block.holders).rank) continue;
    own_.push_back(block);
    own_.back().stored = own_elements_;
    own_elements_ += block.count;
  }
}

}  // namespace fathom::parallel
