#include "comm/ordered.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/parallel.h"

namespace fathom::comm {
namespace {

template <typename T>
std::span<T> piece(std::span<T> values, ShardRange range) {
  return values.subspan(static_cast<size_t>(range.begin),
                        static_cast<size_t>(range.end - range.begin));
}

/// The part of `shard` that block `block` covers: empty behind its end.
ShardRange block_of(ShardRange shard, i64 block, i64 elements) {
  const i64 begin = std::min(shard.begin + block * elements, shard.end);
  return {begin, std::min(begin + elements, shard.end)};
}

/// out[i] = ((parts[0][i] + parts[1][i]) + ...); `out` may be one of the parts.
template <typename T>
void add_in_order(std::span<const T* const> parts, std::span<T> out) {
  constexpr i64 kChunk = 1024;  // stays in the first cache while every part is added
  parallel_for(std::ssize(out), kChunk, [&](i64 first, i64 last) {
    std::array<T, kChunk> sum;
    for (i64 begin = first; begin < last; begin += kChunk) {
      const i64 n = std::min(kChunk, last - begin);
      std::copy_n(parts[0] + begin, n, sum.begin());
      for (const T* part : parts.subspan(1)) {
        for (i64 i = 0; i < n; ++i) sum[static_cast<size_t>(i)] += part[begin + i];
      }
      std::copy_n(sum.begin(), n, out.begin() + begin);
    }
  });
}

/// A block on its way: what the others hold of this rank's shard comes into `scratch`, one part
/// behind another.
template <typename T>
struct Block {
  ShardRange mine;
  std::vector<const T*> parts;
  Pending exchange;
};

template <typename T>
Block<T> start_block(Comm& group, std::span<T> values, std::span<const ShardRange> shards,
                     i64 number, i64 elements, std::span<T> scratch) {
  const auto self = static_cast<size_t>(group.rank());
  Block<T> block{.mine = block_of(shards[self], number, elements)};
  const auto count = static_cast<size_t>(block.mine.end - block.mine.begin);
  std::vector<Bytes> send(shards.size());
  std::vector<MutableBytes> recv(shards.size());
  for (size_t r = 0; r < shards.size(); ++r) {
    if (r == self) {
      block.parts.push_back(values.data() + block.mine.begin);
      continue;
    }
    const std::span<T> part = scratch.subspan(r * static_cast<size_t>(elements), count);
    block.parts.push_back(part.data());
    recv[r] = std::as_writable_bytes(part);
    send[r] = std::as_bytes(piece(values, block_of(shards[r], number, elements)));
  }
  block.exchange = group.start_all_to_all_v(send, recv);
  return block;
}

}  // namespace

ShardRange shard_range(i64 elements, int rank, int ranks) {
  // elements * rank may pass 2^63 for no array that fits into memory.
  return {elements * rank / ranks, elements * (rank + 1) / ranks};
}

OrderedSums::OrderedSums(Comm& comm, OrderedOptions options) : comm_(comm), options_(options) {
  FATHOM_CHECK(options_.block_bytes > 0, options_.block_bytes, " bytes a block");
  if (options_.two_levels) nodes_ = node_groups(comm);
}

std::vector<ShardRange> OrderedSums::shards(i64 elements) const {
  std::vector<ShardRange> all;
  for (int r = 0; r < comm_.size(); ++r) all.push_back(shard_range(elements, r, comm_.size()));
  return all;
}

template <typename T>
void OrderedSums::reduce_scatter_within(Comm& group, std::span<T> values,
                                        std::span<const ShardRange> shards) {
  if (group.size() == 1) return;
  i64 longest = 0;
  for (const ShardRange& shard : shards) longest = std::max(longest, shard.end - shard.begin);
  const i64 elements =
      std::max<i64>(1, options_.block_bytes / static_cast<i64>(sizeof(T)) / group.size());
  const auto scratch_elements = static_cast<size_t>(std::min(elements, longest)) * shards.size();
  // Two: the next block travels while one is added up.
  scratch_.resize(std::max(scratch_.size(), 2 * scratch_elements * sizeof(T)));
  const std::span<T> scratch(reinterpret_cast<T*>(scratch_.data()), 2 * scratch_elements);
  const i64 step = std::min(elements, longest);
  const auto begin = [&](i64 number) {
    return start_block(
        group, values, shards, number, step,
        scratch.subspan(static_cast<size_t>(number % 2) * scratch_elements, scratch_elements));
  };
  const i64 blocks = longest == 0 ? 0 : (longest + step - 1) / step;
  Block<T> next;
  if (blocks > 0) next = begin(0);
  for (i64 number = 0; number < blocks; ++number) {
    Block<T> block = std::move(next);
    if (number + 1 < blocks) next = begin(number + 1);
    block.exchange.wait();
    add_in_order<T>(block.parts, piece(values, block.mine));
  }
}

template <typename T>
void OrderedSums::reduce_scatter_of(std::span<T> values) {
  const std::vector<ShardRange> all = shards(std::ssize(values));
  if (!two_levels()) return reduce_scatter_within<T>(comm_, values, all);
  const int nodes = nodes_->nodes(), per_node = nodes_->per_node;
  // Rank (n, l) of the job ends with shard n * per_node + l: inside its node it first gets the sums
  // of all shards of index l, one node's after the other, because those of one node lie together.
  for (int n = 0; n < nodes; ++n) {
    reduce_scatter_within<T>(
        nodes_->inside, values,
        std::span(all).subspan(static_cast<size_t>(n * per_node), static_cast<size_t>(per_node)));
  }
  std::vector<ShardRange> of_index;
  for (int n = 0; n < nodes; ++n) {
    of_index.push_back(all[static_cast<size_t>(n * per_node + nodes_->inside.rank())]);
  }
  reduce_scatter_within<T>(nodes_->across, values, of_index);
}

void OrderedSums::all_gather_shards(MutableBytes bytes, i64 element_bytes) {
  FATHOM_CHECK(element_bytes > 0 && std::ssize(bytes) % element_bytes == 0, bytes.size(),
               " bytes of elements of ", element_bytes);
  const std::vector<ShardRange> all = shards(std::ssize(bytes) / element_bytes);
  const auto part = [&](int rank) {
    const ShardRange shard = all[static_cast<size_t>(rank)];
    return piece(bytes, {shard.begin * element_bytes, shard.end * element_bytes});
  };
  std::vector<MutableBytes> parts;
  if (!two_levels()) {
    for (int r = 0; r < comm_.size(); ++r) parts.push_back(part(r));
    return comm_.all_gather_v(part(comm_.rank()), parts);
  }
  const int nodes = nodes_->nodes(), per_node = nodes_->per_node, index = nodes_->inside.rank();
  for (int n = 0; n < nodes; ++n) parts.push_back(part(n * per_node + index));
  nodes_->across.all_gather_v(part(comm_.rank()), parts);
  std::vector<Pending> pending;
  for (int n = 0; n < nodes; ++n) {
    parts.clear();
    for (int l = 0; l < per_node; ++l) parts.push_back(part(n * per_node + l));
    pending.push_back(nodes_->inside.start_all_gather_v(part(n * per_node + index), parts));
  }
  for (Pending& one : pending) one.wait();
}

template <typename T>
void OrderedSums::all_reduce_of(std::span<T> values) {
  reduce_scatter_of(values);
  all_gather_shards(std::as_writable_bytes(values), sizeof(T));
}

void OrderedSums::reduce_scatter(std::span<float> values) { reduce_scatter_of(values); }
void OrderedSums::all_reduce(std::span<float> values) { all_reduce_of(values); }
void OrderedSums::all_reduce(std::span<double> values) { all_reduce_of(values); }

}  // namespace fathom::comm
