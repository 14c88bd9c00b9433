#include "model/expert_ranks/expert_slots.h"

#include <cstring>

#include "base/check.h"
#include "base/checked_math.h"
#include "model/model.h"

namespace fathom::model {
namespace {

constexpr i64 kAlignment = 64;

/// fn(pointer to the part's start in `m`, bytes) for every part that a matrix is stored in.
template <typename Matrix, typename Fn>
void for_parts(Matrix& m, Fn&& fn) {
  fn(m.data, m.size_bytes());
  if (m.scale != nullptr) fn(m.scale, m.scale_bytes());
  if (m.group_scale != nullptr) fn(m.group_scale, m.group_scale_bytes());
  if (m.group_minimum != nullptr) fn(m.group_minimum, m.group_scale_bytes());
}

template <typename Expert, typename Fn>
void for_parts_of(Expert& expert, Fn&& fn) {
  for_parts(expert.gate_proj, fn);
  for_parts(expert.up_proj, fn);
  for_parts(expert.down_proj, fn);
}

}  // namespace

i64 packed_expert_bytes(const device::FfnWeights& expert) {
  i64 bytes = 0;
  for_parts_of(expert, [&](const auto*, i64 part) { bytes += round_up(part, kAlignment); });
  return bytes;
}

void pack_expert(const device::FfnWeights& expert, u8* out) {
  for_parts_of(expert, [&](const auto* data, i64 bytes) {
    std::memcpy(out, data, static_cast<size_t>(bytes));
    out += round_up(bytes, kAlignment);
  });
}

device::FfnWeights unpacked_expert(const device::FfnWeights& like, const u8* packed) {
  device::FfnWeights expert = like;
  for_parts_of(expert, [&](auto*& data, i64 bytes) {
    using Pointer = std::remove_reference_t<decltype(data)>;
    data = static_cast<Pointer>(static_cast<const void*>(packed));
    packed += round_up(bytes, kAlignment);
  });
  return expert;
}

/// One layer on its way.
struct ExpertSlots::Move {
  i64 layer = 0;
  ExpertMap next;
  Layer arriving;  // slots that stay are there already
  std::vector<Buffer> sent;
  std::vector<comm::Pending> pending;
};

ExpertSlots::ExpertSlots(const Model& model, comm::Comm& group, std::vector<ExpertMap> maps)
    : model_(model), group_(group), layers_(maps.size()) {
  const i64 layers = model.config().num_hidden_layers + model.num_mtp();
  FATHOM_CHECK(std::ssize(maps) == layers, maps.size(), " maps of ", layers, " layers");
  for (i64 l = 0; l < layers; ++l) {
    const auto experts = model.routed_experts(l);
    if (experts.empty()) continue;
    Layer& layer = layers_[static_cast<size_t>(l)];
    layer.map = std::move(maps[static_cast<size_t>(l)]);
    FATHOM_CHECK(layer.map.ranks() == group.size() && layer.map.experts() == std::ssize(experts),
                 "a map of ", layer.map.experts(), " experts on ", layer.map.ranks(), " ranks for ",
                 experts.size(), " on ", group.size());
    const i64 first = group.rank() * layer.map.slots();
    for (i64 s = 0; s < layer.map.slots(); ++s) {
      layer.slots.push_back(experts[static_cast<size_t>(layer.map.expert_of(first + s))]);
    }
    layer.owned.resize(layer.slots.size());
  }
}

/// The first slot of the expert is the one that sends it, unless the receiver has it already.
i64 ExpertSlots::begin_move(i64 layer, ExpertMap next) {
  FATHOM_CHECK(moving_ == nullptr && has_experts(layer), "layer ", layer, " cannot move now");
  const ExpertMap& now = map(layer);
  FATHOM_CHECK(
      next.slots() == now.slots() && next.ranks() == now.ranks() && next.experts() == now.experts(),
      "a map of another shape");
  moving_ = std::make_shared<Move>();
  moving_->layer = layer;
  moving_->next = std::move(next);
  moving_->arriving.slots.resize(static_cast<size_t>(now.slots()));
  moving_->arriving.owned.resize(static_cast<size_t>(now.slots()));
  const i64 bytes = receive_slots(*moving_);
  send_slots(*moving_);
  return bytes;
}

/// A message's tag is the slot's number on its receiver: all of them are more than tags.
i64 ExpertSlots::receive_slots(Move& move) {
  const Layer& now = at(move.layer);
  const auto experts = model_.routed_experts(move.layer);
  const i64 rank = group_.rank(), slots = now.map.slots();
  i64 received = 0;
  for (i64 s = 0; s < slots; ++s) {
    const i32 expert = move.next.expert_of(rank * slots + s);
    const auto to = static_cast<size_t>(s);
    // A slot that keeps its expert keeps its memory.
    const bool stays = now.map.expert_of(rank * slots + s) == expert;
    if (const i64 here = stays ? rank * slots + s : now.map.slot_on(expert, rank); here >= 0) {
      const auto from = static_cast<size_t>(here - rank * slots);
      move.arriving.slots[to] = now.slots[from];
      move.arriving.owned[to] = now.owned[from];
      continue;
    }
    const device::FfnWeights& like = experts[static_cast<size_t>(expert)];
    const i64 bytes = packed_expert_bytes(like);
    auto buffer = std::make_shared<Buffer>(Device::kCpu, bytes, "a replica of an expert");
    const auto from = static_cast<int>(now.map.rank_of(now.map.slots_of(expert).front()));
    move.pending.push_back(group_.start_recv(
        from, static_cast<int>(s),
        std::as_writable_bytes(std::span(buffer->data(), static_cast<size_t>(bytes)))));
    move.arriving.slots[to] = unpacked_expert(like, buffer->data());
    move.arriving.owned[to] = std::move(buffer);
    received += bytes;
  }
  return received;
}

void ExpertSlots::send_slots(Move& move) {
  const Layer& now = at(move.layer);
  const i64 rank = group_.rank(), slots = now.map.slots();
  for (i64 to = 0; to < slots * now.map.ranks(); ++to) {
    const i32 expert = move.next.expert_of(to);
    const i64 receiver = now.map.rank_of(to), from = now.map.slots_of(expert).front();
    if (now.map.rank_of(from) != rank || receiver == rank) continue;
    if (now.map.slot_on(expert, receiver) >= 0) continue;
    const device::FfnWeights& weights = now.slots[static_cast<size_t>(from - rank * slots)];
    const i64 bytes = packed_expert_bytes(weights);
    Buffer& packed = move.sent.emplace_back(Device::kCpu, bytes, "an expert on its way");
    pack_expert(weights, packed.data());
    move.pending.push_back(
        group_.start_send(static_cast<int>(receiver), static_cast<int>(to % slots),
                          std::as_bytes(std::span(packed.data(), static_cast<size_t>(bytes)))));
  }
}

void ExpertSlots::finish_move() {
  FATHOM_CHECK(moving_ != nullptr, "no layer is moving");
  for (comm::Pending& pending : moving_->pending) pending.wait();
  Layer& layer = layers_[static_cast<size_t>(moving_->layer)];
  layer.map = std::move(moving_->next);
  layer.slots = std::move(moving_->arriving.slots);
  layer.owned = std::move(moving_->arriving.owned);
  moving_ = nullptr;
}

}  // namespace fathom::model
