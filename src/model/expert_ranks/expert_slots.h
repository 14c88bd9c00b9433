#pragma once
// The routed experts of one rank, and how they change places while the model serves.
#include <memory>
#include <span>
#include <vector>

#include "comm/comm.h"
#include "device/moe.h"
#include "model/expert_ranks/expert_map.h"
#include "tensor/buffer.h"

namespace fathom::model {

class Model;

/// An expert lies where the checkpoint is mapped until its slot gets another one: that comes from
/// a rank that has it, whole (numbers, scales, minima), into memory of this rank. A layer moves in
/// the background: begin_move() starts messages, the layer runs as before, finish_move() waits for
/// them and changes the slots. All ranks call both between the same two steps.
class ExpertSlots {
 public:
  /// `maps` [layers of the model]: of dense layers anything. `group` is used for moves alone, and
  /// both outlive this.
  ExpertSlots(const Model& model, comm::Comm& group, std::vector<ExpertMap> maps);

  i64 layers() const { return std::ssize(layers_); }
  bool has_experts(i64 layer) const { return !at(layer).slots.empty(); }
  const ExpertMap& map(i64 layer) const { return at(layer).map; }
  /// [slots] of this rank.
  std::span<const device::FfnWeights> of(i64 layer) const { return at(layer).slots; }

  bool is_moving() const { return moving_ != nullptr; }
  /// Bytes that come to this rank.
  i64 begin_move(i64 layer, ExpertMap next);
  /// Throws LostRanks when the deadline passes.
  void finish_move();

 private:
  struct Layer {
    ExpertMap map;
    std::vector<device::FfnWeights> slots;
    std::vector<std::shared_ptr<const Buffer>> owned;  // null: the checkpoint's memory
  };
  struct Move;
  const Layer& at(i64 layer) const { return layers_[static_cast<size_t>(layer)]; }
  void send_slots(Move& move);
  i64 receive_slots(Move& move);

  const Model& model_;
  comm::Comm& group_;
  std::vector<Layer> layers_;
  std::shared_ptr<Move> moving_;  // null: none; shared, as it is an incomplete type here
};

/// One expert's matrices as bytes, each part 64-byte aligned.
i64 packed_expert_bytes(const device::FfnWeights& expert);
void pack_expert(const device::FfnWeights& expert, u8* out);
/// `like` with its numbers in `packed`.
device::FfnWeights unpacked_expert(const device::FfnWeights& like, const u8* packed);

}  // namespace fathom::model
