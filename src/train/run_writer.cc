#include "train/run_writer.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "ops/optimizer/optimizer.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

double mean_bits_per_byte(std::span<const report::ValidationMetrics> sets) {
  double sum = 0.0;
  for (const report::ValidationMetrics& set : sets) sum += set.bits_per_byte;
  return sum / static_cast<double>(sets.size());
}

}  // namespace

/// A checkpoint that is not good must not push a good one out.
bool RunWriter::worth_saving(Ctx& ctx, Need need) const {
  const i64 step = trainer_.state().step;
  const std::span<float> weights = trainer_.model().weights();
  if (!ops::all_finite(ctx, {weights.data(), {std::ssize(weights)}})) {
    const std::string text = fmt::format(
        "the weights of step {} are not finite and are not saved; {}", step, last_checkpoint());
    if (need == Need::kLast) throw Error(ErrorCode::kInvalidInput, text);
    events_.say(log::Level::kError, text);
    return false;
  }
  if (need == Need::kLast || trainer_.state().skipped_in_row == 0) return true;
  events_.say(log::Level::kWarn, fmt::format("no checkpoint at step {}, which was skipped", step));
  return false;
}

std::string RunWriter::last_checkpoint() const {
  const std::vector<i64> steps = directory_.checkpoint_steps();
  if (steps.empty()) return "no checkpoint was written before";
  return "the last good checkpoint is " + directory_.checkpoint(steps.back()).string();
}

/// Is the checkpoint that is about to be written the best so far?
void RunWriter::note_best(std::span<const report::ValidationMetrics> validation) {
  TrainerState& state = trainer_.state();
  if (!setup_.config.train.keep_best || validation.empty() ||
      validation.front().step != state.step) {
    return;
  }
  // The last step is scored on whole sets, which is no comparison with parts of them; its
  // checkpoint is kept as the newest anyway.
  if (setup_.config.train.validation_sequences > 0 && state.step == setup_.plan.steps()) return;
  const double bits = mean_bits_per_byte(validation);
  if (!std::isfinite(bits) || (state.best && state.best->bits_per_byte <= bits)) return;
  state.best = BestStep{state.step, bits};
}

void RunWriter::save(Ctx& ctx, Need need, std::span<const report::ValidationMetrics> validation) {
  if (!worth_saving(ctx, need)) return;
  TrainerState& state = trainer_.state();
  const std::optional<BestStep> best_before = state.best;
  const fs::path path = directory_.checkpoint(state.step);
  note_best(validation);
  try {
    write_checkpoint(ctx, model_files(trainer_.model().weights()), trainer_.optimizer().state(),
                     {.state = state,
                      .run_config = resolved_run_file(setup_),
                      .data_fingerprint = io::to_string(trainer_.stage().fingerprint()),
                      .files = {}},
                     path);
  } catch (const Error& error) {
    state.best = best_before;
    const std::string kept = saved_step_ < 0
                                 ? "there is no earlier one"
                                 : directory_.checkpoint(saved_step_).string() + " is untouched";
    const std::string text = fmt::format("the checkpoint of step {} could not be written: {}; {}",
                                         state.step, error.message(), kept);
    if (need == Need::kLast || error.code() != ErrorCode::kIo) throw Error(error.code(), text);
    return events_.say(log::Level::kError, text + "; training goes on");
  }
  saved_step_ = state.step;
  std::optional<i64> best;
  if (state.best && setup_.config.train.keep_best) best = state.best->step;
  directory_.prune(setup_.config.train.keep_last, best);
  events_.say(log::Level::kInfo, fmt::format("checkpoint {}", path.string()));
}

ModelFiles RunWriter::model_files(std::span<const float> weights) {
  return {.config = setup_.model,
          .layout = &trainer_.model().layout(),
          .weights = weights,
          .dtype = stored_dtype(setup_.config.model.dtype),
          .tokenizer = setup_.config.model.tokenizer_path()};
}

void RunWriter::write_models(Ctx& ctx, bool trained) {
  if (trained || !fs::exists(directory_.model())) {
    write_model(ctx, model_files(trainer_.model().weights()), directory_.model());
  }
  if (!trainer_.optimizer().has_average()) return;
  if (trained || !fs::exists(directory_.model_ema())) {
    write_model(ctx, model_files(trainer_.optimizer().average()), directory_.model_ema());
  }
}

}  // namespace fathom::train
