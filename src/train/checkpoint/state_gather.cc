#include "train/checkpoint/state_gather.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace fathom::train {
namespace {

constexpr int kRequestTag = 1, kReplyTag = 2;

}  // namespace

StateGather::StateGather(comm::Comm& world, const parallel::Shards& shards,
                         std::span<const StateArray> arrays)
    : world_(world), shards_(shards), arrays_(arrays) {
  gather_owners();
}

void StateGather::gather_owners() {
  const auto ranks = static_cast<size_t>(world_.size());
  std::vector<OwnedBlock> mine;
  for (const parallel::ShardBlock& block : shards_.own_blocks()) {
    mine.push_back({block.model_offset, block.count, world_.rank()});
  }
  const i64 count = std::ssize(mine);
  std::vector<i64> counts(ranks);
  world_.all_gather(std::as_bytes(std::span(&count, 1)), std::as_writable_bytes(std::span(counts)));
  std::vector<comm::Bytes> sent(ranks);
  std::vector<comm::MutableBytes> received(ranks);
  sent[0] = std::as_bytes(std::span(mine));
  if (writes()) {
    i64 total = 0;
    for (const i64 each : counts) total += each;
    owners_.resize(static_cast<size_t>(total));
    auto left = std::span(owners_);
    for (size_t rank = 0; rank < ranks; ++rank) {
      received[rank] = std::as_writable_bytes(left.first(static_cast<size_t>(counts[rank])));
      left = left.subspan(static_cast<size_t>(counts[rank]));
    }
  }
  world_.all_to_all_v(sent, received);
  std::ranges::sort(owners_, {}, &OwnedBlock::model_offset);
}

StateGather::~StateGather() {
  if (!writes()) return;
  const Request done;
  try {
    for (int rank = 1; rank < world_.size(); ++rank) {
      world_.send(rank, kRequestTag, std::as_bytes(std::span(&done, 1)));
    }
  } catch (const Error&) {
    // The job is lost, and every rank knows.
  }
}

void StateGather::serve() {
  FATHOM_CHECK(!writes(), "rank 0 asks");
  while (true) {
    Request request;
    world_.recv(0, kRequestTag, std::as_writable_bytes(std::span(&request, 1)));
    if (request.array < 0) return;
    world_.send(0, kReplyTag, std::as_bytes(local(request)));
  }
}

const StateArray* StateGather::find(std::string_view name) const {
  const auto found = std::ranges::find(arrays_, name, &StateArray::name);
  return found == arrays_.end() ? nullptr : &*found;
}

std::span<const u8> StateGather::local(const Request& request) const {
  const StateArray& array = arrays_[static_cast<size_t>(request.array)];
  const auto blocks = shards_.own_blocks();
  const auto block = std::ranges::lower_bound(blocks, request.model_offset, {},
                                              &parallel::ShardBlock::model_offset);
  FATHOM_CHECK(block != blocks.end() && block->model_offset == request.model_offset, "block ",
               request.model_offset, " is not of rank ", world_.rank());
  const i64 size = dtype_bytes(array.dtype);
  return {array.at(*block) + request.begin * size, static_cast<size_t>(request.count * size)};
}

std::span<const u8> StateGather::fetch(const StateArray& array,
                                       const checkpoint::ParameterSlot& slot, i64 begin,
                                       i64 count) {
  const i64 size = dtype_bytes(array.dtype), first = slot.model_offset + begin;
  fetched_.resize(static_cast<size_t>(count * size));
  u8* out = fetched_.data();
  auto owner = std::ranges::upper_bound(owners_, first, {}, &OwnedBlock::model_offset);
  FATHOM_CHECK(owner != owners_.begin(), "nobody owns ", slot.parameter.name);
  --owner;
  for (i64 at = first; at < first + count; ++owner) {
    FATHOM_CHECK(owner != owners_.end() && owner->model_offset <= at &&
                     at < owner->model_offset + owner->count,
                 "nobody owns number ", at - slot.model_offset, " of ", slot.parameter.name);
    const Request request{
        .array = &array - arrays_.data(),
        .model_offset = owner->model_offset,
        .begin = at - owner->model_offset,
        .count = std::min(first + count, owner->model_offset + owner->count) - at};
    const std::span<u8> part(out, static_cast<size_t>(request.count * size));
    if (owner->rank == world_.rank()) {
      std::ranges::copy(local(request), part.begin());
    } else {
      const int rank = static_cast<int>(owner->rank);
      world_.send(rank, kRequestTag, std::as_bytes(std::span(&request, 1)));
      world_.recv(rank, kReplyTag, std::as_writable_bytes(part));
    }
    out += part.size();
    at += request.count;
  }
  return fetched_;
}

}  // namespace fathom::train
