#pragma once
// What drafts bring on this machine: the same decoding with and without them.
#include <vector>

#include "engine/make_engine.h"
#include "model/model.h"

namespace fathom::engine {

struct DraftBenchmarkOptions {
  model::RunOptions run;
  ops::CacheDType cache_dtype = ops::CacheDType::kBf16;
  std::vector<i64> batches = {1, 4, 16};  // sequences that decode together
  i64 context = 64;                       // tokens of each prompt
  i64 steps = 16;                         // of a segment
  i64 segments = 5;                       // of each way, in turns: other programs hit all alike
  i64 max_drafts = 3;
  /// As EngineOptions::forced_acceptance; empty: what the modules deserve.
  std::vector<double> forced_acceptance;
};

/// One way to decode. Rates are of the median segment.
struct DraftTiming {
  i64 sequences = 0;
  i64 drafts = 0;         // of each step; 0: none
  bool adaptive = false;  // as many as pay, `drafts` at most
  double tokens_per_s = 0.0;
  double speed_up = 0.0;           // over no drafts
  double step_s = 0.0;             // median
  double drafted = 0.0;            // mean of a sequence's step
  std::vector<double> acceptance;  // by position: kept, of those where it was reached
};

/// For each batch: without drafts, with 1 .. max_drafts in every step, and adaptive. Throws
/// Error{kInvalidInput} if the model has no MTP module.
std::vector<DraftTiming> run_draft_benchmark(Ctx& ctx, const model::Model& model,
                                             const DraftBenchmarkOptions& options);

}  // namespace fathom::engine
