#pragma once
// The ranks of commands that answer with a model.
#include <memory>

#include "cli/arguments/arguments.h"
#include "config/serving/serving_ranks.h"
#include "engine/make_engine.h"

namespace fathom::cli {

/// --ranks and --wire.
struct RankOptions {
  i64 ranks = 1;
  std::string wire = "f32";

  ServingRanks settings() const;
};
void add_rank_options(Arguments& command, RankOptions& options);

/// Over one rank, or several (engine/ranks/ranked_engine.h). Throws Error{kUnsupported} where a
/// launcher started this process as one of several: serving is over ranks of one process.
std::unique_ptr<engine::Engine> make_engine_on(const ServingRanks& ranks, Ctx& ctx,
                                               const model::Model& model,
                                               const tokenizer::Tokenizer* tokenizer,
                                               const engine::EngineOptions& options);

}  // namespace fathom::cli
