#include "model/exchange/expert_exchange.h"

#include <cmath>
#include <cstring>

#include "base/checked_math.h"
#include "model/exchange/dispatch.h"
#include "model/exchange/messages.h"

namespace fathom::model {

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
      nodes_(comm::node_groups(group)),
      experts_(experts),
      wire_(wire),
      max_tokens_(max_tokens),
      round_tokens_(round_tokens),
      rounds_(std::max<i64>(1, ceil_div(max_tokens, round_tokens))) {
  FATHOM_CHECK(experts >= 1 && max_tokens >= 0 && round_tokens >= 1, experts, " experts, ",
               max_tokens, " tokens, ", round_tokens, " a round");
}

ExchangeRoom ExpertExchange::room(i64 topk, double share) const {
  const i64 most_of_round = ranks() * std::min(round_tokens_, max_tokens_);
  ExchangeRoom room{.ranks = ranks(),
                    .rounds = rounds_,
                    .places = places(),
                    .passed_on = nodes_ ? nodes() * max_tokens_ : 0,
                    .round_rows = nodes_ ? 2 * most_of_round : most_of_round,
                    .wire = wire_};
  for (i64 r = 0; r < ranks(); ++r) room.experts = std::max(room.experts, experts_of(r));
  const i64 most_rows = ranks() * max_tokens_;
  const i64 most_pairs = most_rows * std::min(topk, room.experts);
  const double mean = share * static_cast<double>(max_tokens_ * topk);
  room.pairs = share == 0.0 ? most_pairs : std::min(most_pairs, static_cast<i64>(std::ceil(mean)));
  room.rows = std::min(most_rows, room.pairs);
  return room;
}

i64 ExpertExchange::arrived_begin(const ExchangeCounts& counts, i64 source, i64 round) const {
  i64 begin = counts.rows_before(source, rank());
  for (i64 earlier = 0; earlier < round; ++earlier) begin += counts.rows(source, earlier, rank());
  return begin;
}

void ExpertExchange::announce(Ctx& ctx, View<const i32, 2> kept, const ExchangeCounts& counts) {
  FATHOM_CHECK(kept.dim(0) <= max_tokens_, kept.dim(0), " tokens, at most ", max_tokens_);
  FATHOM_CHECK(counts.counts.dim(2) == places(), counts.counts, " for ", places(), " places");
  Workspace::Scope scratch(ctx.workspace());
  const auto mine = scratch.alloc<i64>(rounds_, places(), 2);
  std::fill_n(mine.data(), mine.size(), i64{0});
  for (i64 t = 0; t < kept.dim(0); ++t) {
    const auto round = mine[t / round_tokens_];
    for (i64 place = 0; place < places(); ++place) {
      const i64 pairs = pairs_at(kept.row(t), kept.dim(1), place);
      round(place, 0) += pairs > 0 ? 1 : 0;
      round(place, 1) += pairs;
    }
  }
  const auto numbers = static_cast<size_t>(mine.size());
  group_.all_gather(std::as_bytes(std::span(mine.data(), numbers)),
                    std::as_writable_bytes(
                        std::span(counts.counts.data(), numbers * static_cast<size_t>(ranks()))));
  check_counts(counts, kept.dim(1));
}

/// Of a rank: at most a round's tokens, each with a pair at least. Of a node: each of its rows goes
/// to one of its ranks at least, and its pairs are theirs.
void ExpertExchange::check_counts(const ExchangeCounts& counts, i64 topk) const {
  for (i64 source = 0; source < ranks(); ++source) {
    for (i64 round = 0; round < rounds_; ++round) {
      for (i64 place = 0; place < places(); ++place) {
        const i64 rows = counts.rows(source, round, place);
        const i64 pairs = counts.pairs(source, round, place);
        i64 most_rows = round_tokens_, least_pairs = rows;
        i64 most_pairs = std::clamp<i64>(rows, 0, most_rows) * topk;
        if (place >= ranks()) {
          i64 rows_of_ranks = most_pairs = 0;
          for (i64 r = (place - ranks()) * per_node(), end = r + per_node(); r < end; ++r) {
            rows_of_ranks += counts.rows(source, round, r);
            most_pairs += counts.pairs(source, round, r);
          }
          most_rows = std::min(rows_of_ranks, round_tokens_);
          least_pairs = most_pairs;
        }
        if (rows >= 0 && rows <= most_rows && pairs >= least_pairs && pairs <= most_pairs) continue;
        throw Error(
            ErrorCode::kInternal,
            fmt::format("exchange of experts: rank {} of the group announced {} rows and {} "
                        "pairs to place {} in round {}, expected 0 to {} rows, {} to {} "
                        "pairs",
                        source, rows, pairs, place, round, most_rows, least_pairs, most_pairs));
      }
    }
  }
}

/// The tokens of a round that go to a place, as one block.
void ExpertExchange::write_tokens(Ctx& ctx, const Dispatch& d, i64 round, i64 place,
                                  u8* out) const {
  Workspace::Scope scratch(ctx.workspace());
  const RowBlock block = d.block(out, rank(), round, place);
  const auto tokens = scratch.alloc<i32>(block.rows());
  i64 count = 0, pairs = 0;
  for_tokens(d.kept, round, place, [&](i64 t) {
    if (count < block.rows()) tokens(count) = static_cast<i32>(t);
    ++count;
    pairs += pairs_at(d.kept.row(t), d.kept.dim(1), place);
  });
  d.check(rank(), round, place, count, pairs);
  block.write(d.x, d.kept, d.weights, {tokens.data(), static_cast<size_t>(count)});
}

/// Rows that arrived, and of their routing what is this rank's.
void ExpertExchange::take_rows(const Dispatch& d, i64 round, i64 source,
                               const RowBlock& block) const {
  const i64 begin = arrived_begin(d.counts, source, round), topk = d.form.topk;
  const i64 first = first_expert(rank());
  i64 pairs = 0;  // with -1 elsewhere, as many as answers go back
  for (i64 row = 0; topk > 0 && row < block.rows(); ++row) {
    i32* const kept = d.arrived.kept.row(begin + row);
    float* const weights = d.arrived.weights.row(begin + row);
    std::memcpy(kept, block.kept(row), static_cast<size_t>(topk) * sizeof(i32));
    std::memcpy(weights, block.weights(row), static_cast<size_t>(topk) * sizeof(float));
    pairs += pairs_at(kept, topk, rank());
    for (i64 j = 0; j < topk; ++j) {
      const bool here = is_at(kept[j], rank());
      kept[j] = here ? static_cast<i32>(kept[j] - first) : i32{-1};
      if (!here) weights[j] = 0.0f;
    }
  }
  if (d.with_routing()) d.check(source, round, rank(), block.rows(), pairs);
  decode_rows(block.numbers(0), block.rows(), begin, d.rows);
}

void ExpertExchange::send_round(Ctx& ctx, const Dispatch& d, i64 round) {
  Workspace::Scope scratch(ctx.workspace());
  const i64 row = d.form.bytes();
  const auto rows_of = [&](auto&& source, i64 to) {
    i64 rows = 0;
    for (i64 n = 0; n < nodes(); ++n) rows += d.counts.rows(source(n), round, to);
    return rows;
  };
  const Messages inside(
      scratch, per_node(),
      [&](i64 to) { return row * rows_of([&](i64 n) { return source_of(n); }, first_rank() + to); },
      [&](i64 from) {
        return row * rows_of([&](i64 n) { return n * per_node() + from; }, rank());
      });
  if (nodes_) {
    hand_on(ctx, d, round, inside);
  } else {
    for (i64 to = 0; to < ranks(); ++to) write_tokens(ctx, d, round, to, inside.to(to));
  }
  inside.exchange(last_hop());
  for (i64 from = 0; from < per_node(); ++from) {
    u8* next = inside.from(from);
    for (i64 n = 0; n < nodes(); ++n) {
      const i64 source = n * per_node() + from;
      const RowBlock block = d.block(next, source, round, rank());
      take_rows(d, round, source, block);
      next = block.end();
    }
  }
}

void ExpertExchange::dispatch(Ctx& ctx, const ExchangeCounts& counts, View<const i32, 2> kept,
                              View<const float, 2> weights, View<const float, 2> x,
                              const SavedMatrix& rows, const ArrivedRouting& arrived) {
  FATHOM_CHECK(rows.format == received_format(wire_) && rows.cols == x.dim(1) &&
                   rows.rows >= counts.rows_to(rank()) && x.dim(0) == kept.dim(0),
               "rows ", rows, " for ", counts.rows_to(rank()), " of x ", x);
  FATHOM_CHECK(arrived.passed_on.dim(0) >= passed_on_rows(counts), arrived.passed_on, " for ",
               passed_on_rows(counts), " rows to hand on");
  const i64 topk = arrived.kept.empty() ? 0 : kept.dim(1);
  const Dispatch d{.counts = counts,
                   .kept = kept,
                   .weights = weights,
                   .x = x,
                   .rows = rows,
                   .arrived = arrived,
                   .form = {rows.format, x.dim(1), topk}};
  for (i64 round = 0; round < rounds_; ++round) send_round(ctx, d, round);
}

}  // namespace fathom::model
