// The way back: of results in the forward pass, of gradients in the backward pass.
#include <cstring>

#include "base/parallel.h"
#include "model/exchange/expert_exchange.h"
#include "model/exchange/messages.h"
#include "ops/moe/moe_train.h"

namespace fathom::model {

/// fill(source, out): this rank's answers to what came from a source, in the order it came in.
/// take(place, in): a place's answers to what this rank sent there, in the order of its tokens.
template <typename Fill, typename Take>
void ExpertExchange::return_round(Ctx& ctx, const ExchangePass& pass, i64 round,
                                  const Answer& answer, Fill&& fill, Take&& take) {
  Workspace::Scope scratch(ctx.workspace());
  const auto bytes = [&](i64 source, i64 place) {
    return answer.count(pass.counts, source, round, place) * answer.bytes;
  };
  const auto of_all_nodes = [&](auto&& bytes_of) {
    i64 sum = 0;
    for (i64 n = 0; n < nodes(); ++n) sum += bytes_of(n);
    return sum;
  };
  const Messages inside(
      scratch, per_node(),
      [&](i64 to) {
        return of_all_nodes([&](i64 n) { return bytes(n * per_node() + to, rank()); });
      },
      [&](i64 from) {
        return of_all_nodes([&](i64 n) { return bytes(source_of(n), first_rank() + from); });
      });
  for (i64 to = 0; to < per_node(); ++to) {
    u8* next = inside.to(to);
    for (i64 n = 0; n < nodes(); ++n) {
      fill(n * per_node() + to, next);
      next += bytes(n * per_node() + to, rank());
    }
  }
  inside.exchange(last_hop());
  if (!nodes_) {
    for (i64 from = 0; from < ranks(); ++from) take(from, inside.from(from));
    return;
  }
  const Messages across(
      scratch, nodes(), [&](i64 to) { return bytes(source_of(to), own_node()); },
      [&](i64 from) { return bytes(rank(), ranks() + from); });
  merge(ctx, pass, round, answer, inside, across);
  across.exchange(nodes_->across);
  for (i64 n = 0; n < nodes(); ++n) take(ranks() + n, across.from(n));
}

/// `bytes` a pair: fill(arrived permuted row, out), take(token, slot, in).
template <typename Fill, typename Take>
void ExpertExchange::return_values(Ctx& ctx, const ExchangePass& pass, i64 bytes, Fill&& fill,
                                   Take&& take) {
  const Answer answer{.bytes = bytes};
  for (i64 round = 0; round < rounds_; ++round) {
    return_round(
        ctx, pass, round, answer,
        [&](i64 source, u8* out) {
          const i64 begin = arrived_begin(pass.counts, source, round);
          const i64 end = begin + pass.counts.rows(source, round, rank());
          for (i64 r = begin; r < end; ++r) {
            for (i64 j = 0; j < pass.arrived_kept.dim(1); ++j) {
              if (pass.arrived_kept(r, j) < 0) continue;
              fill(pass.arrived_rows.row_of(r, j), out);
              out += bytes;
            }
          }
        },
        [&](i64 place, const u8* in) {
          for_tokens(pass.kept, round, place, [&](i64 t) {
            for (i64 j = 0; j < pass.kept.dim(1); ++j) {
              if (!is_at(pass.kept(t, j), place)) continue;
              take(t, j, in);
              in += bytes;
            }
          });
        });
  }
}

/// What each rank (each node, by two hops) made of a token is one BF16 row; places add up in rising
/// order.
///   sums  [arrived rows, cols]
void ExpertExchange::combine_sums(Ctx& ctx, const ExchangePass& pass, View<const float, 2> sums,
                                  View<float, 2> y) {
  const i64 cols = sums.dim(1);
  const Answer answer{.sums = true, .bytes = wire_row_bytes(SavedFormat::kBf16, cols)};
  for (i64 t = 0; t < y.dim(0); ++t) std::fill_n(y.row(t), cols, 0.0f);
  for (i64 round = 0; round < rounds_; ++round) {
    return_round(
        ctx, pass, round, answer,
        [&](i64 source, u8* out) {
          Workspace::Scope scratch(ctx.workspace());
          const i64 count = pass.counts.rows(source, round, rank());
          const i64 begin = arrived_begin(pass.counts, source, round);
          const auto rows = scratch.alloc<i32>(count);
          for (i64 i = 0; i < count; ++i) rows(i) = static_cast<i32>(begin + i);
          encode_rows(SavedFormat::kBf16, sums, {rows.data(), static_cast<size_t>(count)}, out);
        },
        [&](i64 place, const u8* in) {
          for_tokens(pass.kept, round, place, [&](i64 t) {
            add_bf16(in, y.row(t), cols);
            in += answer.bytes;
          });
        });
  }
}

void ExpertExchange::combine(Ctx& ctx, const ExchangePass& pass, View<const float, 2> out,
                             View<float, 2> y) {
  Workspace::Scope scratch(ctx.workspace());
  if (wire_ != ExpertWire::kF32) {
    const auto sums = scratch.alloc<float>(pass.arrived_kept.dim(0), y.dim(1));
    ops::combine_rows(ctx, out, pass.arrived_rows, pass.arrived_kept, {}, /*accumulate=*/false,
                      sums);
    return combine_sums(ctx, pass, sums, y);
  }
  const i64 pairs = pass.permuted.offsets(pass.permuted.offsets.dim(0) - 1);
  const auto by_pair = scratch.alloc<float>(pairs, y.dim(1));
  const i64 bytes = y.dim(1) * static_cast<i64>(sizeof(float));
  const auto size = static_cast<size_t>(bytes);
  return_values(
      ctx, pass, bytes, [&](i64 row, u8* to) { std::memcpy(to, out.row(row), size); },
      [&](i64 t, i64 j, const u8* from) {
        std::memcpy(by_pair.row(pass.permuted.row_of(t, j)), from, size);
      });
  ops::combine_rows(ctx, by_pair, pass.permuted, pass.order.empty() ? pass.kept : pass.order,
                    pass.weights, /*accumulate=*/false, y);
}

void ExpertExchange::return_pairs(Ctx& ctx, const ExchangePass& pass,
                                  View<const float, 1> pair_values, View<float, 2> values) {
  for (i64 t = 0; t < values.dim(0); ++t) std::fill_n(values.row(t), values.dim(1), 0.0f);
  return_values(
      ctx, pass, sizeof(float),
      [&](i64 row, u8* to) { std::memcpy(to, &pair_values(row), sizeof(float)); },
      [&](i64 t, i64 j, const u8* from) { std::memcpy(&values(t, j), from, sizeof(float)); });
}

}  // namespace fathom::model
