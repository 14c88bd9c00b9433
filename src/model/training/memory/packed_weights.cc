#include "model/training/memory/packed_weights.h"

#include <algorithm>

#include "base/checked_math.h"

namespace fathom::model::training {
namespace {

constexpr i64 kAlignment = 64;
constexpr const char* kEmbedding = "model.embed_tokens.weight";

bool is_multiplied(bool tied_head, const Parameter& parameter) {
  return parameter.shape.size() == 2 && (tied_head || parameter.name != kEmbedding);
}

i64 stored_bytes(const Ctx& ctx, i64 rows, i64 k, const ops::GemmRounding& rounding) {
  return round_up(ops::packed_bytes(ctx, rows, k, rounding), kAlignment);
}

}  // namespace

PackedWeights::PackedWeights(bool tied_head, const checkpoint::ParameterLayout& layout,
                             const Precision& precision, const float* weights) {
  for (const checkpoint::ParameterSlot& slot : layout.slots()) {
    const Parameter& parameter = slot.parameter;
    if (!is_multiplied(tied_head, parameter)) continue;
    PackedLinear& linear = by_name_[parameter.name];
    linear.out = parameter.shape[0];
    linear.in = parameter.shape[1];
    linear.rounding = precision.of(parameter);
    auto group = std::ranges::find(groups_, linear.rounding.weight, &Group::rounding);
    if (group == groups_.end()) {
      group = groups_.insert(group, {.rounding = linear.rounding.weight});
    }
    const View<const float, 2> w(weights + slot.offset, {linear.out, linear.in});
    group->linears.push_back(&linear);
    group->sources.emplace_back(w);
    group->sources.emplace_back(w, /*transposed=*/true);
  }
}

void PackedWeights::lay_out(const Ctx& ctx) {
  if (isa_ == &ctx.isa()) return;
  i64 total = 0;
  for (Group& group : groups_) {
    for (const PackedLinear* w : group.linears) {
      total += stored_bytes(ctx, w->out, w->in, group.rounding) +
               stored_bytes(ctx, w->in, w->out, group.rounding);
    }
  }
  storage_ = Buffer();  // freed before the new one is asked for
  storage_ = Buffer(ctx.device(), total, "packed weights");
  u8* next = storage_.data();
  for (Group& group : groups_) {
    group.storage.clear();
    group.packed.resize(group.sources.size());
    for (const PackedLinear* w : group.linears) {
      group.storage.push_back(next);
      next += stored_bytes(ctx, w->out, w->in, group.rounding);
      group.storage.push_back(next);
      next += stored_bytes(ctx, w->in, w->out, group.rounding);
    }
  }
  isa_ = &ctx.isa();
}

void PackedWeights::pack(Ctx& ctx) {
  lay_out(ctx);
  for (Group& group : groups_) {
    ops::pack_all(ctx, group.sources, group.rounding, group.storage, group.packed);
    for (size_t i = 0; i < group.linears.size(); ++i) {
      group.linears[i]->fprop = group.packed[2 * i];
      group.linears[i]->dgrad = group.packed[2 * i + 1];
    }
  }
  packed_isa_ = isa_;
}

const PackedLinear* PackedWeights::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  FATHOM_CHECK(found != by_name_.end(), "no packed weight ", name);
  return &found->second;
}

const PackedLinear* PackedWeights::tied_head() const {
  const auto found = by_name_.find(kEmbedding);
  return found == by_name_.end() ? nullptr : &found->second;
}

i64 PackedWeights::bytes_of(const Ctx& ctx, bool tied_head,
                            const checkpoint::ParameterLayout& layout, const Precision& precision) {
  i64 total = 0;
  for (const checkpoint::ParameterSlot& slot : layout.slots()) {
    const Parameter& parameter = slot.parameter;
    if (!is_multiplied(tied_head, parameter)) continue;
    const ops::GemmRounding& rounding = precision.of(parameter).weight;
    total += stored_bytes(ctx, parameter.shape[0], parameter.shape[1], rounding) +
             stored_bytes(ctx, parameter.shape[1], parameter.shape[0], rounding);
  }
  return total;
}

}  // namespace fathom::model::training
