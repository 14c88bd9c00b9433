#include "train/run/setup.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_math.h"
#include "base/log.h"
#include "base/text.h"
#include "checkpoint/check.h"
#include "checkpoint/write.h"
#include "config/run/run_file.h"
#include "device/paged_rows.h"
#include "io/gguf/file.h"
#include "io/safetensors.h"
#include "train/checkpoint/checkpoint.h"
#include "train/optimizer.h"

namespace fathom::train {
namespace {

void check_model(const RunConfig& config, const ModelConfig& model, Problems& problems) {
  if (config.data.seq_len > model.max_position_embeddings) {
    problems.invalid("data.seq_len",
                     fmt::format("{} is more than the model's max_position_embeddings = {}",
                                 config.data.seq_len, model.max_position_embeddings));
  }
  const BalanceConfig& balance = config.recipe.balance;
  const bool has_bias = model.topk_method == TopkMethod::kNoauxTc;
  if (model.has_experts() && !has_bias && balance.bias_rule != BiasRule::kNone) {
    problems.unsupported("balance.bias_rule",
                         fmt::format("a model with topk_method \"{}\" has no router bias to move; "
                                     "set \"none\"",
                                     to_string(model.topk_method)));
  }
  if (model.has_experts() && model.n_routed_experts % balance.num_devices != 0) {
    problems.invalid("balance.num_devices",
                     fmt::format("{} does not divide the model's {} experts", balance.num_devices,
                                 model.n_routed_experts));
  }
}

/// The config of the model whose weights training begins with, checked before there is other work:
/// a head of its own is trained as one, and what is missing is missed now. Weights that are gone
/// are no error yet: a run that goes on from a checkpoint does not read them.
ModelConfig config_of_weights(const ModelConfig& config, const std::string& directory) {
  const auto weights = io::Checkpoint::open(directory);
  if (!weights) return config;
  checkpoint::CheckpointCheck check = checkpoint::check_checkpoint(config, *weights);
  if (!check.problems.empty()) check = checkpoint::require_checkpoint(config, *weights);
  checkpoint::require_mtp(check, *weights);
  for (const std::string& note : check.notes) log::warn("{}: {}", directory, note);
  return check.config;
}

/// Of a teacher whose config can be read: its weights, mapped as they are stored, and the cache of
/// one text.
void add_teacher_memory(const RunConfig& config, model::TrainingMemory& memory) {
  const auto teacher = load_model_config(config.distill.teacher);
  if (!teacher) return;
  const std::string when = config.distill.on_policy > 0.0 ? "" : ", before the first step";
  const i64 rows = ceil_div(config.data.seq_len, device::kPageTokens) * device::kPageTokens;
  memory.rows.push_back(
      {"teacher's weights" + when, plan::model_size(*teacher).checkpoint_bytes, false});
  memory.rows.push_back(
      {"teacher's cache" + when, plan::cache_bytes_per_token(*teacher, DType::kF32) * rows, false});
}

}  // namespace

Result<RunSetup> load_run_setup(const RunConfig& config) {
  for (const std::string& path : {config.model.config_path(), config.model.init_from}) {
    if (!io::gguf::is_gguf(path)) continue;
    return unsupported(
        fmt::format("{} is a GGUF file; training begins with a directory, which "
                    "`fathom convert {} DIRECTORY --to bf16` makes of it",
                    path, path));
  }
  auto model = load_model_config(config.model.config_path());
  if (!model) return tl::unexpected(std::move(model.error()));
  const std::string& init_from = config.model.init_from;
  if (!init_from.empty()) *model = config_of_weights(*model, init_from);
  ModelConfig stored = checkpoint::with_stored_dtype(*model, stored_dtype(config.model.dtype),
                                                     ops::ScaleFormat::kF32);
  if (init_from.empty()) stored.initializer_range = config.model.initializer_std;
  RunSetup setup = {config, std::move(stored), RunPlan(config)};
  Problems problems;
  setup.plan.check(problems);
  check_model(config, setup.model, problems);
  if (!problems.empty()) return tl::unexpected(problems.error("run file"));
  return setup;
}

std::string resolved_run_file(const RunSetup& setup) {
  RunConfig config = setup.config;  // a list of fields can also write
  return write_run_file(field_list(config));
}

i64 choose_micro_batch(const Ctx& ctx, const RunSetup& setup, i64 free_bytes) {
  constexpr i64 kTokens = 8192;
  const i64 batch = setup.config.train.batch_sequences;
  i64 micro = std::clamp<i64>(kTokens / setup.plan.seq_len(), 1, batch);
  micro = ceil_div(batch, ceil_div(batch, micro));
  while (micro > 1 && run_cost(ctx, setup, micro, free_bytes).memory.total() > free_bytes / 5 * 4) {
    micro = ceil_div(micro, 2);
  }
  return micro;
}

RunCost run_cost(const Ctx& ctx, const RunSetup& setup, i64 micro_batch_sequences, i64 free_bytes) {
  const i64 micro = micro_batch_sequences > 0 ? micro_batch_sequences
                                              : choose_micro_batch(ctx, setup, free_bytes);
  RunCost cost;
  cost.size = plan::model_size(setup.model);
  cost.flops = plan::training_flops(setup.model, setup.plan.seq_len());
  cost.memory =
      model::training_memory(ctx, setup.model, setup.config.recipe, micro, setup.plan.seq_len());
  cost.micro_batch_sequences = micro;
  add_optimizer_memory(checkpoint::ParameterLayout(setup.model).size(), setup.config.optimizer,
                       cost.memory);
  if (setup.config.run.stage == TrainStage::kDistill) add_teacher_memory(setup.config, cost.memory);
  return cost;
}

void add_optimizer_memory(i64 elements, const OptimizerConfig& optimizer,
                          model::TrainingMemory& memory) {
  memory.rows.push_back(
      {optimizer.bf16_moments ? "AdamW's moments (BF16)" : "AdamW's moments (F32)",
       Optimizer::moment_bytes(elements, optimizer), false});
  if (const i64 bytes = Optimizer::average_bytes(elements, optimizer); bytes > 0) {
    memory.rows.push_back({"average of the weights", bytes, false});
  }
}

std::string format_memory(const model::TrainingMemory& memory) {
  size_t width = 0;
  for (const auto& row : memory.rows) width = std::max(width, row.what.size());
  std::string text;
  for (const auto& row : memory.rows) {
    text += fmt::format("  {:<{}}  {:>12}\n", row.what, width, format_bytes(row.bytes));
  }
  text += fmt::format("  {:<{}}  {:>12}   of which activations {}\n", "in all", width,
                      format_bytes(memory.total()), format_bytes(memory.activations()));
  return text;
}

}  // namespace fathom::train
