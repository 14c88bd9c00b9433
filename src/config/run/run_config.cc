#include "config/run/run_config.h"

#include <fmt/format.h>

namespace fathom {
namespace {

constexpr double kMaxCount = 0x1.0p53;
constexpr double kMaxSequences = 1 << 24;

}  // namespace

void RunSection::list_fields(FieldList& list) {
  list.add("out", out, "directory of the run: checkpoints, metrics, report, the finished model");
  list.add("seed", seed, "of the initial weights", {.min = 0, .max = kMaxCount});
  list.add(
      "stage", stage, kTrainStageNames,
      "what is trained: pretrain (text), sft (conversations), distill (a teacher's distributions), "
      "grpo (rewards); sample trains nothing and writes answers");
}

void RunSection::check(const std::string& prefix, Problems& problems) const {
  if (out.empty()) problems.invalid(prefix + "out", "missing: name a directory for the run");
}

void ModelSection::list_fields(FieldList& list) {
  list.add("config", config, "config.json of the shape, or a directory with one");
  list.add("tokenizer", tokenizer, "tokenizer.json, or a directory with one");
  list.add(
      "init_from", init_from,
      "model directory to begin from instead of random weights; also gives config and tokenizer "
      "where those are not named");
  list.add("initializer_std", initializer_std, "deviation of every random matrix (V3: 0.006)",
           {.min = 0});
  list.add("dtype", dtype, kStoredDTypeNames,
           "of the weights in checkpoints and in the finished model; training itself keeps f32");
}

void ModelSection::check(const std::string& prefix, Problems& problems) const {
  if (config_path().empty()) {
    problems.invalid(prefix + "config", "missing: name a config.json, or a model in init_from");
  }
  if (tokenizer_path().empty()) {
    problems.invalid(prefix + "tokenizer",
                     "missing: name a tokenizer.json (`fathom tokenizer train` makes one)");
  }
}

void TrainSection::list_fields(FieldList& list) {
  list.add("tokens", tokens, "length of the run; rounded up to whole steps",
           {.min = 0, .max = kMaxCount});
  list.add("steps", steps, "length of the run in steps instead", {.min = 0, .max = 1e12});
  list.add("batch_sequences", batch_sequences, "sequences a step (V3: 15360)",
           {.min = 1, .max = kMaxSequences});
  list.add("batch_start_sequences", batch_start_sequences,
           "sequences of the first step (V3: 3072); 0: as all others",
           {.min = 0, .max = kMaxSequences});
  list.add("batch_ramp_tokens", batch_ramp_tokens,
           "tokens over which the batch grows evenly to batch_sequences (V3: 469e9)",
           {.min = 0, .max = kMaxCount});
  list.add("micro_batch_sequences", micro_batch_sequences,
           "sequences whose activations are in memory at a time; 0: chosen by free memory",
           {.min = 0, .max = kMaxSequences});
  list.add("validation_every", validation_every, "steps between validations; 0: at the end only",
           {.min = 0});
  list.add("validation_sequences", validation_sequences,
           "at most so many of each validation set, from its beginning; 0: all. The run's last "
           "validation takes all",
           {.min = 0});
  list.add("checkpoint_every", checkpoint_every, "steps between checkpoints; 0: at the end only",
           {.min = 0});
  list.add("keep_last", keep_last, "so many newest checkpoints are kept", {.min = 1});
  list.add("keep_best", keep_best,
           "also keep the checkpoint with the fewest bits per byte, the mean over validation sets, "
           "of those whose step was validated");
  list.add("max_skipped_steps", max_skipped_steps,
           "a run stops after so many steps in a row without a finite loss and gradient",
           {.min = 1});
}

void TrainSection::check(const std::string& prefix, Problems& problems) const {
  if (tokens > 0 && steps > 0) {
    problems.invalid(prefix + "steps",
                     fmt::format("give tokens = {} or steps = {}, not both", tokens, steps));
  }
  if (batch_start_sequences > batch_sequences) {
    problems.invalid(prefix + "batch_start_sequences",
                     fmt::format("{} is more than batch_sequences = {}: a batch grows",
                                 batch_start_sequences, batch_sequences));
  }
  if ((batch_start_sequences > 0) != (batch_ramp_tokens > 0)) {
    problems.invalid(prefix + "batch_ramp_tokens",
                     "a batch that grows needs both batch_start_sequences and batch_ramp_tokens");
  }
}

void RunConfig::list_fields(FieldList& list) {
  list.add("run", run, "the run");
  list.add("model", model, "the model");
  list.add("data", data, "the text");
  list.add("train", train, "steps, validation, checkpoints");
  list.add("optimizer", optimizer, "AdamW");
  list.add("schedule", schedule, "the learning rate");
  list.add("parallel", parallel, "what several ranks are for");
  list.add("precision", recipe.precision, "how numbers are rounded");
  list.add("balance", recipe.balance, "how experts are balanced");
  list.add("mtp", recipe.mtp, "multi-token prediction");
  list.add("recompute", recipe.recompute, "what the backward pass recomputes");
  list.add("sft", sft, "supervised fine-tuning, and the samples of distillation");
  list.add("distill", distill, "a teacher's distributions; other stages do not read it");
  list.add("grpo", grpo, "reinforcement learning; other stages do not read it");
  list.add("reward", reward, "what reinforcement learning is rewarded for, and sampling keeps");
  list.add("sample", sample, "answers to keep; other stages do not read it");
  list.add("eval", eval, "benchmarks on the way");
}

void RunConfig::check(const std::string& prefix, Problems& problems) const {
  const bool has_epochs =
      ((run.stage == TrainStage::kSft || run.stage == TrainStage::kDistill) && sft.epochs > 0.0) ||
      run.stage == TrainStage::kSample;  // as long as its prompts
  if (train.tokens == 0 && train.steps == 0 && !has_epochs) {
    problems.invalid(prefix + "train.tokens",
                     "missing: give the length of the run in tokens or in steps");
  }
  if (run.stage == TrainStage::kSample && !eval.tasks.empty()) {
    problems.invalid(prefix + "eval.tasks", "stage \"sample\" trains nothing; use `fathom eval`");
  }
}

}  // namespace fathom
