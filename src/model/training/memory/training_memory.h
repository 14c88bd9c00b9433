#pragma once
// What training a model takes of memory, before it is made.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/model/model_config.h"
#include "config/run/training_recipe.h"
#include "device/ctx.h"
#include "model/training/rank_part.h"

namespace fathom::model {

/// Bytes by kind, known before anything is allocated and equal to what is then used; only scratch,
/// the last row, is an upper bound: it depends on which experts are chosen.
struct TrainingMemory {
  struct Row {
    std::string what;  // "saved: experts' gate and up outputs (FP8)"
    i64 bytes = 0;
    bool is_activation = false;
  };
  std::vector<Row> rows;
  i64 total() const;
  i64 activations() const;
};
inline constexpr std::string_view kScratchRow = "scratch (at most)";
/// Of a micro-batch of `sequences` x `seq_len`; packed weights and scratch as `ctx` has them.
/// `part`: what this rank holds; `slots`: micro-batches that are on each of its stages at once, 1
/// where it is empty.
TrainingMemory training_memory(const Ctx& ctx, const ModelConfig& config,
                               const TrainingRecipe& recipe, i64 sequences, i64 seq_len,
                               const RankPart& part = {}, std::span<const i64> slots = {});

}  // namespace fathom::model
