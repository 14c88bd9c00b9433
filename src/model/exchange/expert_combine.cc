// The way back: of results in the forward pass, of gradients in the backward pass.
#include <cstring>

#include "base/parallel.h"
#include "model/exchange/expert_exchange.h"
#include "model/exchange/messages.h"
#include "ops/moe/moe_train.h"
#include "tensor/bf16.h"

namespace fathom::model {
namespace {

void add_bf16(const u8* in, float* y, i64 cols) {
  for (i64 i = 0; i < cols; ++i) {
    u16 bits = 0;
    std::memcpy(&bits, in + 2 * i, 2);
    y[i] += static_cast<float>(Bf16::from_bits(bits));
  }
}

}  // namespace

/// Source of what a rank sends back of one round, and what to do with what comes.
template <typename Fill, typename Take>
void ExpertExchange::return_round(Ctx& ctx, const ExchangePass& pass, i64 round, i64 pair_bytes,
                                  Fill&& fill, Take&& take) {
  Workspace::Scope scratch(ctx.workspace());
  const ExchangeCounts& counts = pass.counts;
  const Messages messages(
      scratch, ranks(), [&](i64 to) { return counts.pairs(to, round, rank()) * pair_bytes; },
      [&](i64 from) { return counts.pairs(rank(), round, from) * pair_bytes; });
  for (i64 to = 0; to < ranks(); ++to) {
    u8* next = messages.to(to);
    const i64 begin = arrived_begin(counts, to, round);
    for (i64 r = begin; r < begin + counts.rows(to, round, rank()); ++r) {
      for (i64 j = 0; j < pass.arrived_kept.dim(1); ++j) {
        if (pass.arrived_kept(r, j) < 0) continue;
        fill(pass.arrived_rows.row_of(r, j), next);
        next += pair_bytes;
      }
    }
  }
  messages.exchange(group_);
  for (i64 from = 0; from < ranks(); ++from) {
    const u8* next = messages.from(from);
    for_tokens(pass.kept, round, from, [&](i64 t) {
      for (i64 j = 0; j < pass.kept.dim(1); ++j) {
        const i32 expert = pass.kept(t, j);
        if (expert < 0 || rank_of(expert) != from) continue;
        take(t, j, next);
        next += pair_bytes;
      }
    });
  }
}

void ExpertExchange::combine_sums(Ctx& ctx, const ExchangePass& pass, i64 round,
                                  View<const float, 2> sums, View<float, 2> y) {
  Workspace::Scope scratch(ctx.workspace());
  const ExchangeCounts& counts = pass.counts;
  const i64 cols = sums.dim(1), bytes = wire_row_bytes(SavedFormat::kBf16, cols);
  const Messages messages(
      scratch, ranks(), [&](i64 to) { return counts.rows(to, round, rank()) * bytes; },
      [&](i64 from) { return counts.rows(rank(), round, from) * bytes; });
  for (i64 to = 0; to < ranks(); ++to) {
    const i64 begin = arrived_begin(counts, to, round), count = counts.rows(to, round, rank());
    const auto rows = scratch.alloc<i32>(count);
    for (i64 i = 0; i < count; ++i) rows(i) = static_cast<i32>(begin + i);
    encode_rows(SavedFormat::kBf16, sums, {rows.data(), static_cast<size_t>(count)},
                messages.to(to));
  }
  messages.exchange(group_);
  for (i64 from = 0; from < ranks(); ++from) {  // in this order for every token
    const u8* next = messages.from(from);
    for_tokens(pass.kept, round, from, [&](i64 t) {
      add_bf16(next, y.row(t), cols);
      next += bytes;
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
    for (i64 t = 0; t < y.dim(0); ++t) std::fill_n(y.row(t), y.dim(1), 0.0f);
    for (i64 round = 0; round < rounds_; ++round) combine_sums(ctx, pass, round, sums, y);
    return;
  }
  const i64 pairs = pass.permuted.offsets(pass.permuted.offsets.dim(0) - 1);
  const auto by_pair = scratch.alloc<float>(pairs, y.dim(1));
  const i64 bytes = y.dim(1) * static_cast<i64>(sizeof(float));
  const auto size = static_cast<size_t>(bytes);
  for (i64 round = 0; round < rounds_; ++round) {
    return_round(
        ctx, pass, round, bytes, [&](i64 row, u8* to) { std::memcpy(to, out.row(row), size); },
        [&](i64 t, i64 j, const u8* from) {
          std::memcpy(by_pair.row(pass.permuted.row_of(t, j)), from, size);
        });
  }
  ops::combine_rows(ctx, by_pair, pass.permuted, pass.order.empty() ? pass.kept : pass.order,
                    pass.weights, /*accumulate=*/false, y);
}

void ExpertExchange::return_pairs(Ctx& ctx, const ExchangePass& pass,
                                  View<const float, 1> pair_values, View<float, 2> values) {
  for (i64 t = 0; t < values.dim(0); ++t) std::fill_n(values.row(t), values.dim(1), 0.0f);
  for (i64 round = 0; round < rounds_; ++round) {
    return_round(
        ctx, pass, round, sizeof(float),
        [&](i64 row, u8* to) { std::memcpy(to, &pair_values(row), sizeof(float)); },
        [&](i64 t, i64 j, const u8* from) { std::memcpy(&values(t, j), from, sizeof(float)); });
  }
}

}  // namespace fathom::model
