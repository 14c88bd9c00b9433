#include "model/training/memory/training_memory.h"

#include "checkpoint/parameter_layout.h"
#include "model/training/memory/packed_weights.h"
#include "model/training/memory/scratch.h"
#include "model/training/pass.h"
#include "model/training/trainable.h"

namespace fathom::model {

i64 TrainingMemory::total() const {
  i64 sum = 0;
  for (const Row& row : rows) sum += row.bytes;
  return sum;
}
i64 TrainingMemory::activations() const {
  i64 sum = 0;
  for (const Row& row : rows) sum += row.is_activation ? row.bytes : 0;
  return sum;
}

TrainingMemory training_memory(const Ctx& ctx, const ModelConfig& config,
                               const TrainingRecipe& recipe, i64 sequences, i64 seq_len,
                               const RankPart& part, std::span<const i64> slots) {
  check_trainable(config, recipe, sequences, seq_len);
  const checkpoint::ParameterLayout layout(
      config, [&](const Parameter& parameter) { return part.holds(config, parameter); });
  const training::Precision precision(recipe.precision);
  const i64 array_bytes = layout.size() * static_cast<i64>(sizeof(float));
  TrainingMemory memory;
  memory.rows = {{"weights (F32)", array_bytes},
                 {"gradients (F32)", array_bytes},
                 {"packed weights", training::PackedWeights::bytes_of(
                                        ctx, part.has_tied_head(config), layout, precision)}};
  ExchangeRoom room;
  const bool exchanges = part.exchange != nullptr;
  if (exchanges) room = part.exchange->room(config.num_experts_per_tok, part.expert_room);
  const training::PassShape shape{config, recipe, precision, exchanges ? &room : nullptr};
  const std::vector<StageLayers> stages =
      part.stages.empty() ? std::vector{whole_model(config)} : part.stages;
  training::StoragePlan plan(nullptr);
  for (size_t stage = 0; stage < stages.size(); ++stage) {
    for (i64 slot = 0; slot < (slots.empty() ? 1 : slots[stage]); ++slot) {
      training::plan_stage(shape, stages[stage], sequences * seq_len, plan);
    }
  }
  for (const auto& [kind, bytes] : plan.rows()) {
    memory.rows.push_back({"saved: " + kind, bytes, /*is_activation=*/true});
  }
  memory.rows.push_back({std::string(kScratchRow),
                         training::pass_scratch_bytes(ctx, shape, sequences, seq_len),
                         /*is_activation=*/true});
  return memory;
}

}  // namespace fathom::model
