#pragma once
// A checkpoint is one set of files, whatever the layout of the run that writes it: rank 0 writes
// them and asks the others for what it does not have, a block at a time. So a checkpoint says
// nothing of ranks, and a run on any other layout reads what it needs of it.
#include <span>
#include <vector>

#include "comm/comm.h"
#include "train/checkpoint/state_array.h"

namespace fathom::train {

class StateGather {
 public:
  /// Collective: ranks tell rank 0 which blocks they own. All must outlive it.
  StateGather(comm::Comm& world, const parallel::Shards& shards,
              std::span<const StateArray> arrays);
  /// Rank 0: releases the others, also on the way of an error.
  ~StateGather();
  StateGather(const StateGather&) = delete;
  StateGather& operator=(const StateGather&) = delete;

  bool writes() const { return world_.rank() == 0; }
  /// Other ranks: answer rank 0 until it is done.
  void serve();

  std::span<const StateArray> arrays() const { return arrays_; }
  const StateArray* find(std::string_view name) const;
  /// Rank 0: `count` numbers of a tensor of the whole model from `begin` on, valid until the next
  /// call.
  std::span<const u8> fetch(const StateArray& array, const checkpoint::ParameterSlot& slot,
                            i64 begin, i64 count);

 private:
  struct OwnedBlock {
    i64 model_offset = 0;
    i64 count = 0;
    i64 rank = 0;
  };
  /// What rank 0 asks for; array < 0: nothing more.
  struct Request {
    i64 array = -1;
    i64 model_offset = 0;  // of the block
    i64 begin = 0;         // in the block
    i64 count = 0;
  };
  std::span<const u8> local(const Request& request) const;
  void gather_owners();

  comm::Comm& world_;
  const parallel::Shards& shards_;
  std::span<const StateArray> arrays_;
  std::vector<OwnedBlock> owners_;  // rank 0: of the whole model, rising
  std::vector<u8> fetched_;
};

}  // namespace fathom::train
