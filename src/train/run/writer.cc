#include "train/run/writer.h"

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
  if (trainer_.ranks().any(!ops::all_finite(ctx, {weights.data(), {std::ssize(weights)}}))) {
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
  if (const std::optional<Error> error = write_state(ctx, path)) {
    state.best = best_before;
    const std::string kept = saved_step_ < 0
                                 ? "there is no earlier one"
                                 : directory_.checkpoint(saved_step_).string() + " is untouched";
    const std::string text = fmt::format("the checkpoint of step {} could not be written: {}; {}",
                                         state.step, error->message(), kept);
    if (need == Need::kLast || error->code() != ErrorCode::kIo) throw Error(error->code(), text);
    return events_.say(log::Level::kError, text + "; training goes on");
  }
  saved_step_ = state.step;
  std::optional<i64> best;
  if (state.best && setup_.config.train.keep_best) best = state.best->step;
  if (trainer_.ranks().is_root()) directory_.prune(setup_.config.train.keep_last, best);
  events_.say(log::Level::kInfo, fmt::format("checkpoint {}", path.string()));
}

std::optional<Error> RunWriter::write_state(Ctx& ctx, const fs::path& path) {
  parallel::Ranks& ranks = trainer_.ranks();
  std::optional<Error> failed;
  {
    const std::vector<StateArray> all = arrays();
    StateGather state(ranks.world(), trainer_.shards(), all);
    if (!ranks.is_root()) state.serve();
    try {
      if (ranks.is_root()) {
        write_checkpoint(ctx, model_files(), state,
                         {.state = trainer_.state(),
                          .run_config = resolved_run_file(setup_),
                          .data_fingerprint = io::to_string(trainer_.stage().fingerprint()),
                          .files = {}},
                         path);
      }
    } catch (const comm::LostRanks&) {
      throw;
    } catch (const Error& error) {
      failed = error;
    }
  }
  const std::string message = ranks.first_message(failed ? failed->message() : "");
  if (!message.empty() && !failed) failed = Error(ErrorCode::kIo, message);
  return failed;
}

std::vector<StateArray> RunWriter::arrays() const {
  std::vector<StateArray> arrays = trainer_.optimizer().state();
  arrays.push_back({kMasterWeights, DType::kF32,
                    reinterpret_cast<u8*>(trainer_.model().weights().data()),
                    StateArray::kHeldBlocks});
  return arrays;
}

ModelFiles RunWriter::model_files() const {
  return {.config = setup_.model,
          .dtype = stored_dtype(setup_.config.model.dtype),
          .tokenizer = setup_.config.model.tokenizer_path()};
}

void RunWriter::write_one_model(Ctx& ctx, bool trained, std::string_view weights,
                                const fs::path& directory) {
  parallel::Ranks& ranks = trainer_.ranks();
  if (!ranks.any(ranks.is_root() && (trained || !fs::exists(directory)))) return;
  const std::vector<StateArray> all = arrays();
  StateGather state(ranks.world(), trainer_.shards(), all);
  if (!ranks.is_root()) return state.serve();
  write_model(ctx, model_files(), state, weights, directory);
}

void RunWriter::write_models(Ctx& ctx, bool trained) {
  write_one_model(ctx, trained, kMasterWeights, directory_.model());
  if (trainer_.optimizer().has_average()) {
    write_one_model(ctx, trained, "ema", directory_.model_ema());
  }
}

}  // namespace fathom::train
