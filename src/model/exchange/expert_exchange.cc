#include "model/exchange/expert_exchange.h"

#include <cmath>
#include <cstring>

#include "base/checked_math.h"
#include "model/exchange/messages.h"

namespace fathom::model {
namespace {

/// Bytes of a row's routing on the way: an expert and its weight for each choice of the token.
i64 routing_bytes(i64 topk) { return topk * static_cast<i64>(sizeof(i32) + sizeof(float)); }

void read_routing(const u8* in, i64 count, i64 begin, const ArrivedRouting& arrived) {
  const i64 numbers = count * arrived.kept.dim(1);
  if (count == 0) return;
  std::memcpy(arrived.kept.row(begin), in, static_cast<size_t>(numbers) * sizeof(i32));
  std::memcpy(arrived.weights.row(begin), in + numbers * static_cast<i64>(sizeof(i32)),
              static_cast<size_t>(numbers) * sizeof(float));
}

}  // namespace

i64 ExchangeCounts::rows_before(i64 end, i64 to) const {
  i64 sum = 0;
  for (i64 s = 0; s < end; ++s) {
    for (i64 round = 0; round < counts.dim(1); ++round) sum += rows(s, round, to);
  }
  return sum;
}

i64 ExchangeCounts::pairs_to(i64 to) const {
  i64 sum = 0;
  for (i64 s = 0; s < counts.dim(0); ++s) {
    for (i64 round = 0; round < counts.dim(1); ++round) sum += pairs(s, round, to);
  }
  return sum;
}

ExpertExchange::ExpertExchange(comm::Comm& group, i64 experts, ExpertWire wire, i64 max_tokens,
                               i64 round_tokens)
    : group_(group),
      experts_(experts),
      wire_(wire),
      max_tokens_(max_tokens),
      round_tokens_(round_tokens),
      rounds_(std::max<i64>(1, ceil_div(max_tokens, round_tokens))) {
  FATHOM_CHECK(experts >= 1 && max_tokens >= 0 && round_tokens >= 1, experts, " experts, ",
               max_tokens, " tokens, ", round_tokens, " a round");
}

ExchangeRoom ExpertExchange::room(i64 topk, double share) const {
  ExchangeRoom room{.ranks = ranks(),
                    .rounds = rounds_,
                    .round_rows = ranks() * std::min(round_tokens_, max_tokens_),
                    .wire = wire_};
  for (i64 r = 0; r < ranks(); ++r) room.experts = std::max(room.experts, experts_of(r));
  const i64 most_rows = ranks() * max_tokens_;
  const i64 most_pairs = most_rows * std::min(topk, room.experts);
  const double mean = share * static_cast<double>(max_tokens_ * topk);
  room.pairs = share == 0.0 ? most_pairs : std::min(most_pairs, static_cast<i64>(std::ceil(mean)));
  room.rows = std::min(most_rows, room.pairs);
  return room;
}

bool ExpertExchange::goes_to(const i32* kept, i64 topk, i64 to) const {
  return std::any_of(kept, kept + topk, [&](i32 e) { return e >= 0 && rank_of(e) == to; });
}

i64 ExpertExchange::arrived_begin(const ExchangeCounts& counts, i64 source, i64 round) const {
  i64 begin = counts.rows_before(source, rank());
  for (i64 earlier = 0; earlier < round; ++earlier) begin += counts.rows(source, earlier, rank());
  return begin;
}

void ExpertExchange::announce(Ctx& ctx, View<const i32, 2> kept, const ExchangeCounts& counts) {
  FATHOM_CHECK(kept.dim(0) <= max_tokens_, kept.dim(0), " tokens, at most ", max_tokens_);
  Workspace::Scope scratch(ctx.workspace());
  const auto mine = scratch.alloc<i64>(rounds_, ranks(), 2);
  std::fill_n(mine.data(), mine.size(), i64{0});
  for (i64 t = 0; t < kept.dim(0); ++t) {
    const auto round = mine[t / round_tokens_];
    for (i64 to = 0; to < ranks(); ++to) {
      const i32* row = kept.row(t);
      const i64 pairs =
          std::count_if(row, row + kept.dim(1), [&](i32 e) { return e >= 0 && rank_of(e) == to; });
      round(to, 0) += pairs > 0 ? 1 : 0;
      round(to, 1) += pairs;
    }
  }
  const auto numbers = static_cast<size_t>(mine.size());
  group_.all_gather(std::as_bytes(std::span(mine.data(), numbers)),
                    std::as_writable_bytes(
                        std::span(counts.counts.data(), numbers * static_cast<size_t>(ranks()))));
}

void ExpertExchange::write_routing(View<const i32, 2> kept, View<const float, 2> weights,
                                   std::span<const i32> tokens, i64 to, u8* out) const {
  const i64 topk = kept.dim(1), first = first_expert(to);
  u8* const weights_out = out + std::ssize(tokens) * topk * static_cast<i64>(sizeof(i32));
  for (size_t i = 0; i < tokens.size(); ++i) {
    for (i64 j = 0; j < topk; ++j) {
      const i32 expert = kept(tokens[i], j);
      const bool there = expert >= 0 && rank_of(expert) == to;
      const auto local = there ? static_cast<i32>(expert - first) : i32{-1};
      const float weight = there ? weights(tokens[i], j) : 0.0f;
      const size_t at = (i * static_cast<size_t>(topk) + static_cast<size_t>(j)) * sizeof(i32);
      std::memcpy(out + at, &local, sizeof local);
      std::memcpy(weights_out + at, &weight, sizeof weight);
    }
  }
}

void ExpertExchange::send_round(Ctx& ctx, const ExchangeCounts& counts, i64 round,
                                View<const i32, 2> kept, View<const float, 2> weights,
                                View<const float, 2> x, const SavedMatrix& rows,
                                const ArrivedRouting& arrived) {
  Workspace::Scope scratch(ctx.workspace());
  const i64 topk = kept.dim(1);
  const i64 header = arrived.kept.empty() ? 0 : routing_bytes(topk);
  const i64 row = header + wire_row_bytes(rows.format, x.dim(1));
  const Messages messages(
      scratch, ranks(), [&](i64 to) { return counts.rows(rank(), round, to) * row; },
      [&](i64 from) { return counts.rows(from, round, rank()) * row; });
  const auto tokens = scratch.alloc<i32>(round_tokens_);
  for (i64 to = 0; to < ranks(); ++to) {
    i64 count = 0;
    for_tokens(kept, round, to, [&](i64 t) { tokens(count++) = static_cast<i32>(t); });
    const std::span<const i32> sent(tokens.data(), static_cast<size_t>(count));
    if (header > 0) write_routing(kept, weights, sent, to, messages.to(to));
    encode_rows(rows.format, x, sent, messages.to(to) + count * header);
  }
  messages.exchange(group_);
  for (i64 from = 0; from < ranks(); ++from) {
    const i64 count = counts.rows(from, round, rank()), begin = arrived_begin(counts, from, round);
    if (header > 0) read_routing(messages.from(from), count, begin, arrived);
    decode_rows(messages.from(from) + count * header, count, begin, rows);
  }
}

void ExpertExchange::dispatch(Ctx& ctx, const ExchangeCounts& counts, View<const i32, 2> kept,
                              View<const float, 2> weights, View<const float, 2> x,
                              const SavedMatrix& rows, const ArrivedRouting& arrived) {
  FATHOM_CHECK(rows.format == received_format(wire_) && rows.cols == x.dim(1) &&
                   rows.rows >= counts.rows_to(rank()) && x.dim(0) == kept.dim(0),
               "rows ", rows, " for ", counts.rows_to(rank()), " of x ", x);
  for (i64 round = 0; round < rounds_; ++round) {
    send_round(ctx, counts, round, kept, weights, x, rows, arrived);
  }
}

}  // namespace fathom::model
