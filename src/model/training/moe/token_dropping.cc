#include "model/training/moe/token_dropping.h"

#include <algorithm>

#include "base/rng.h"

namespace fathom::model::training {
namespace {

struct Pair {
  float affinity;
  i32 token, slot;
};

/// The better pair first; a total order, so that the choice is the same everywhere.
bool is_better(const Pair& a, const Pair& b) {
  if (a.affinity != b.affinity) return a.affinity > b.affinity;
  return a.token != b.token ? a.token < b.token : a.slot < b.slot;
}

}  // namespace

i64 dropping_budget(const BalanceConfig& balance, i64 seq_len, i64 topk) {
  return static_cast<i64>(balance.capacity_factor * static_cast<double>(seq_len * topk) /
                          static_cast<double>(balance.num_devices));
}

bool is_exempt_from_dropping(const BalanceConfig& balance, i64 sample) {
  constexpr u64 kStream = 0x64726f7070696e67ull;  // "dropping"
  return Philox(/*seed=*/0, kStream).uniform(static_cast<u64>(sample)) < balance.drop_exempt_frac;
}

i64 drop_tokens(const TrainStep& step, View<const float, 2> scores, View<const i32, 2> chosen,
                View<i32, 2> kept) {
  const BalanceConfig& balance = step.recipe.balance;
  const i64 topk = chosen.dim(1), devices = balance.num_devices;
  const i64 experts_per_device = scores.dim(1) / devices;
  const i64 budget = dropping_budget(balance, step.seq_len, topk);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto pairs = scratch.alloc<Pair>(step.seq_len * topk);
  i64 dropped = 0;
  for (i64 sequence = 0; sequence < step.sequences; ++sequence) {
    const i64 first = sequence * step.seq_len;
    for (i64 t = first; t < first + step.seq_len; ++t) {
      std::copy_n(chosen.row(t), topk, kept.row(t));
    }
    if (is_exempt_from_dropping(balance, step.samples(sequence))) continue;
    for (i64 device = 0; device < devices; ++device) {
      i64 count = 0;
      for (i64 t = first; t < first + step.seq_len; ++t) {
        for (i64 j = 0; j < topk; ++j) {
          const i64 expert = chosen(t, j);
          if (expert / experts_per_device != device) continue;
          pairs(count++) = {scores(t, expert), static_cast<i32>(t), static_cast<i32>(j)};
        }
      }
      if (count <= budget) continue;
      std::nth_element(pairs.data(), pairs.data() + budget, pairs.data() + count, is_better);
      for (i64 i = budget; i < count; ++i) kept(pairs(i).token, pairs(i).slot) = -1;
      dropped += count - budget;
    }
  }
  return dropped;
}

}  // namespace fathom::model::training
