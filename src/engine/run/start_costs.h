#pragma once
// What passes over a model cost on this machine, before the first request is there.
#include "engine/schedule/cost_curve.h"
#include "model/model.h"
#include "ops/quantize/quantize.h"

namespace fathom::engine {

/// From the bytes of the weights alone, read at a rate that any machine reaches: right to a factor
/// of ten. Times of running passes correct it.
CostModel guessed_costs(const model::Model& model);

/// Pairs (query, key) that take as long as what a prompt's chunk does for each token before it:
/// MLA makes its K and V again from the latent row, kv_lora_rank * (nope + v) products a head
/// beside the (qk + v) of a pair. 0 where K and V are cached.
i64 pairs_per_held_token(const ModelConfig& config);

struct CostMeasurement {
  model::RunOptions run;
  ops::CacheDType cache_dtype = ops::CacheDType::kBf16;
  i64 chunk_tokens = 512;
  i64 context_tokens = 4096;
  double most_s = 0.5;  // in all
};

/// From timed passes of one layer: 1 to 64 rows as decoding runs it, with the head behind it; 32
/// tokens to a whole chunk as a prompt's; a few rows of each behind a long text. The cheapest
/// first, and none that would take the sum over `most_s` by what the one before says (the first,
/// one row, runs in any case). Lines go through what was timed; with less than two points of a kind
/// it is the guess, scaled. If there is time all is timed twice and the shorter time counts: the
/// first pass may have loaded weights. Leaves nothing behind: rows lie in pages of its own.
CostModel measured_costs(Ctx& ctx, const model::Model& model, const CostMeasurement& options);

}  // namespace fathom::engine
