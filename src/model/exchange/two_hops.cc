// What a rank does with rows that are not its own: those of its like on other nodes go through it.
#include <cstring>

#include "model/exchange/dispatch.h"
#include "model/exchange/messages.h"
#include "tensor/bf16.h"

namespace fathom::model {

i64 ExpertExchange::passed_on_begin(const ExchangeCounts& counts, i64 node, i64 round) const {
  i64 begin = 0;
  for (i64 n = 0; n <= node; ++n) {
    const i64 end = n < node ? rounds_ : round;
    for (i64 r = 0; r < end; ++r) begin += counts.rows(source_of(n), r, own_node());
  }
  return begin;
}

i64 ExpertExchange::passed_on_rows(const ExchangeCounts& counts) const {
  return nodes_ ? passed_on_begin(counts, nodes() - 1, rounds_) : 0;
}

/// The first hop, and what came by it into the messages of the second.
void ExpertExchange::hand_on(Ctx& ctx, const Dispatch& d, i64 round, const Messages& inside) {
  Workspace::Scope scratch(ctx.workspace());
  const i64 row = d.form.bytes();
  const Messages across(
      scratch, nodes(), [&](i64 to) { return d.counts.rows(rank(), round, ranks() + to) * row; },
      [&](i64 from) { return d.counts.rows(source_of(from), round, own_node()) * row; });
  for (i64 to = 0; to < nodes(); ++to) {
    write_tokens(ctx, d, round, ranks() + to, across.to(to));
  }
  across.exchange(nodes_->across);
  for (i64 n = 0; d.with_routing() && n < nodes(); ++n) {
    const RowBlock came = d.block(across.from(n), source_of(n), round, own_node());
    const i64 begin = passed_on_begin(d.counts, n, round);
    for (i64 i = 0; i < came.rows(); ++i) {
      std::memcpy(d.arrived.passed_on.row(begin + i), came.kept(i),
                  static_cast<size_t>(d.form.topk) * sizeof(i32));
    }
  }
  sort_by_rank(d, round, across, inside);
}

void ExpertExchange::sort_by_rank(const Dispatch& d, i64 round, const Messages& came,
                                  const Messages& inside) const {
  const View<i32, 2>& kept = d.arrived.passed_on;
  for (i64 to = 0; to < per_node(); ++to) {
    u8* next = inside.to(to);
    for (i64 n = 0; n < nodes(); ++n) {
      const RowBlock in = d.block(came.from(n), source_of(n), round, own_node());
      const RowBlock out = d.block(next, source_of(n), round, first_rank() + to);
      const i64 begin = passed_on_begin(d.counts, n, round);
      i64 row = 0, pairs = 0;
      for (i64 i = 0; i < in.rows(); ++i) {
        const i64 here = pairs_at(kept.row(begin + i), kept.dim(1), first_rank() + to);
        if (here == 0) continue;
        if (row < out.rows()) out.copy_row(row, in, i);
        ++row;
        pairs += here;
      }
      d.check(source_of(n), round, first_rank() + to, row, pairs);
      next = out.end();
    }
  }
}

/// What the ranks of this node answer to the rows that went through it, as one answer of the node.
void ExpertExchange::merge(Ctx& ctx, const ExchangePass& pass, i64 round, const Answer& answer,
                           const Messages& inside, const Messages& across) const {
  Workspace::Scope scratch(ctx.workspace());
  const i64 topk = pass.passed_on.dim(1);
  const auto next = scratch.alloc<const u8*>(per_node());
  for (i64 g = 0; g < per_node(); ++g) next(g) = inside.from(g);
  const auto take = [&](i64 rank) {
    const u8*& from = next(rank - first_rank());
    const u8* const taken = from;
    from += answer.bytes;
    return taken;
  };
  const auto sum = scratch.alloc<float>(1, answer.sums ? answer.bytes / 2 : 0);
  const i32 only = 0;
  for (i64 n = 0; n < nodes(); ++n) {
    u8* out = across.to(n);
    const i64 begin = passed_on_begin(pass.counts, n, round);
    const i64 rows = pass.counts.rows(source_of(n), round, own_node());
    for (i64 i = begin; i < begin + rows; ++i) {
      const i32* const kept = pass.passed_on.row(i);
      if (answer.sums) {
        std::fill_n(sum.data(), sum.size(), 0.0f);
        for (i64 rank = first_rank(); rank < first_rank() + per_node(); ++rank) {
          if (goes_to(kept, topk, rank)) add_bf16(take(rank), sum.data(), sum.dim(1));
        }
        encode_rows(SavedFormat::kBf16, sum, {&only, 1}, out);
        out += answer.bytes;
        continue;
      }
      for (i64 j = 0; j < topk; ++j) {
        if (!is_at(kept[j], own_node())) continue;
        std::memcpy(out, take(rank_of(kept[j])), static_cast<size_t>(answer.bytes));
        out += answer.bytes;
      }
    }
  }
}

}  // namespace fathom::model
