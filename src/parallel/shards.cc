#include "parallel/shards.h"

#include <algorithm>

namespace fathom::parallel {
namespace {

void cut(const checkpoint::ParameterSlot& slot, i64 end, std::vector<ShardBlock>& blocks) {
  for (i64 begin = slot.offset; begin < end; begin += kBlockElements) {
    blocks.push_back({.slot = &slot,
                      .begin = begin,
                      .count = std::min(kBlockElements, end - begin),
                      .model_offset = slot.model_offset + begin - slot.offset,
                      .expert = slot.parameter.expert >= 0});
  }
}

/// Block after block to the owner in whose equal part of the elements its middle lies.
void deal(std::vector<ShardBlock>& blocks, bool expert, i64 ranks) {
  i64 total = 0;
  for (const ShardBlock& block : blocks) total += block.expert == expert ? block.count : 0;
  i64 before = 0;
  for (ShardBlock& block : blocks) {
    if (block.expert != expert) continue;
    const i64 middle = before + block.count / 2;
    block.owner = std::min(
        ranks - 1, static_cast<i64>(static_cast<double>(middle) / static_cast<double>(total) *
                                    static_cast<double>(ranks)));
    before += block.count;
  }
}

}  // namespace

Shards::Shards(const checkpoint::ParameterLayout& layout, ShardPlace dense, ShardPlace expert)
    : layout_(&layout) {
  const std::span<const checkpoint::ParameterSlot> slots = layout.slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    cut(slots[i], i + 1 < slots.size() ? slots[i + 1].offset : layout.size(), blocks_);
  }
  deal(blocks_, false, dense.size);
  deal(blocks_, true, expert.size);
  for (const ShardBlock& block : blocks_) {
    if (block.owner != (block.expert ? expert.rank : dense.rank)) continue;
    own_.push_back(block);
    own_.back().stored = own_elements_;
    own_elements_ += block.count;
  }
}

}  // namespace fathom::parallel
