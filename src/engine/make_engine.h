#pragma once
// An engine over a model: the one header of the engine that names model types.
#include <memory>

#include "engine/cache/disk_tier.h"
#include "engine/engine.h"
#include "engine/schedule/limits.h"
#include "model/model.h"
#include "ops/quantize/quantize.h"
#include "tokenizer/tokenizer.h"

namespace fathom::engine {

struct EngineOptions {
  i64 context_tokens = 4096;  // of a sequence, prompt included
  i64 cache_tokens = 0;       // rows of all pages together; 0: for one sequence of that context
  ops::CacheDType cache_dtype = ops::CacheDType::kBf16;
  model::RunOptions run;
  SchedulerLimits limits;  // num_layers and pairs_per_held_token are the model's
  /// At most so long does making an engine time passes, so that the first chunk beside decoding has
  /// the right size; 0: it begins with a guess, for clients that have one request at a time.
  double cost_measurement_s = 0.5;
  i64 draft_tokens = 3;      // at most, where the model has MTP modules; 0: no drafts
  bool keep_routes = false;  // for GenerateRequest::on_routes; costs 2 bytes a choice of an expert
  bool adaptive_drafts = true;  // fewer, or none, where they bring nothing; else always as many
  /// For benches: the draft at position j, if reached, is what comes with this probability, else
  /// something that is not it; the text means nothing then. Empty: the model decides.
  std::vector<double> forced_acceptance;
  double max_cache_share = 0.5;  // of the pages, that a tenant keeps while others need some
  DiskTierOptions disk;          // of an empty directory: none. `content` names the weights
  /// Results of a request that its client has not read: with more it is not scheduled, and after
  /// limits.max_blocked_s it is cancelled.
  i64 max_unread_bytes = i64{1} << 20;
};

/// Without a tokenizer there are ids, but no texts. `ctx`, the model and the tokenizer must outlive
/// it; `ctx` is used here and by step() alone. Throws Error when the context exceeds the model's or
/// the pages do not fit in memory.
std::unique_ptr<Engine> make_engine(Ctx& ctx, const model::Model& model,
                                    const tokenizer::Tokenizer* tokenizer,
                                    const EngineOptions& options);

}  // namespace fathom::engine
