#include "cli/options/rank_options.h"

#include <fmt/format.h>

#include "backend/backend.h"
#include "base/error.h"
#include "cli/arguments/value_check.h"
#include "comm/mpi/launcher.h"
#include "engine/ranks/ranked_engine.h"

namespace fathom::cli {
namespace {

/// Each process would take itself for the whole server.
void refuse_launched() {
  const auto launched = comm::launched_as();
  if (!launched || launched->size == 1) return;
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("{}={}: this process is one of several ranks that a launcher started; a "
                  "model is served over ranks of one process: start it alone, with --ranks {}",
                  launched->variable, launched->size, launched->size));
}

}  // namespace

ServingRanks RankOptions::settings() const {
  ServingRanks settings{.count = ranks};
  for (const auto& [format, name] : kWireFormatNames) {
    if (name == wire) settings.wire = format;
  }
  return settings;
}

void add_rank_options(Arguments& command, RankOptions& options) {
  command
      .add_option(
          "--ranks", options.ranks,
          "Threads that each hold some of the experts; they change no token with --wire f32")
      .check(integer_between(1, kMaxServingRanks))
      .show_default();
  command.add_option("--wire", options.wire, "How tokens travel to experts on other ranks")
      .one_of({"f32", "bf16", "fp8"})
      .show_default();
}

std::unique_ptr<engine::Engine> make_engine_on(const ServingRanks& ranks, Ctx& ctx,
                                               const model::Model& model,
                                               const tokenizer::Tokenizer* tokenizer,
                                               const engine::EngineOptions& options) {
  refuse_launched();
  if (ranks.count == 1) return engine::make_engine(ctx, model, tokenizer, options);
  return engine::make_ranked_engine(
      model, tokenizer, options,
      {.ranks = static_cast<int>(ranks.count),
       .wire = model::expert_wire(ranks.wire),
       .redundant_experts = ranks.redundant_experts,
       .balancer = {.every_steps = ranks.balance_every, .loads_file = ranks.loads_file},
       .deal = ranks.replicas == ReplicaRule::kFlow
                   ? engine::least_largest_load(ranks.active_experts)
                   : model::DealTokens(),
       .prefill_ranks = static_cast<int>(ranks.prefill),
       .handover = {.answer_s = ranks.handover_s,
                    .progress_s = ranks.handover_s,
                    .abort_s = ranks.handover_s},
       .deadline_s = ranks.deadline_s,
       .make_context = [] { return backend::make_context(); }});
}

}  // namespace fathom::cli
