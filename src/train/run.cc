#include "train/run.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <optional>

#include "base/clock.h"
#include "base/parallel.h"
#include "base/text.h"
#include "checkpoint/flat_weights.h"
#include "config/run/run_file.h"
#include "data/cache/prepare.h"
#include "io/atomic_file.h"
#include "ops/gemm/gemm_peak.h"
#include "ops/optimizer/optimizer.h"
#include "report/run/run_reporter.h"
#include "tensor/buffer.h"
#include "train/checkpoint/checkpoint.h"
#include "train/resume.h"
#include "train/run_text.h"
#include "train/trainer.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

double mean_bits_per_byte(std::span<const report::ValidationMetrics> sets) {
  double sum = 0.0;
  for (const report::ValidationMetrics& set : sets) sum += set.bits_per_byte;
  return sum / static_cast<double>(sets.size());
}

std::string_view precision_name(TrainPrecision mode) {
  for (const auto& [value, name] : kTrainPrecisionNames) {
    if (value == mode) return name;
  }
  return "";
}

/// Everything that lives as long as the run. Built in the order of the members.
class Run {
 public:
  Run(Ctx& ctx, const TrainRequest& request, const TrainEvents& events);

  TrainResult go();

 private:
  void say(log::Level level, const std::string& text) const {
    if (events_.message) events_.message(level, text);
  }
  bool stopped() const { return events_.stop_requested && events_.stop_requested(); }

  std::optional<ResumePoint> resume_point(const TrainRequest& request) const;
  data::PreparedData prepare() const;
  RunCost cost() const;
  report::RunInfo info();
  void restore();
  void begin_anew();

  void take_step();
  void explain_skip(const report::StepMetrics& metrics);
  bool due(i64 every) const;
  void validate();
  enum class Need { kUseful, kLast };
  void save(Need need);
  bool worth_saving(Need need);
  std::string last_checkpoint() const;
  void note_best();
  ModelFiles model_files(std::span<const float> weights);
  void export_model();
  TrainResult result();

  Ctx& ctx_;
  const TrainEvents& events_;
  RunSetup setup_;
  RunText text_;
  RunDirectory directory_;
  std::optional<ResumePoint> resume_;
  data::PreparedData data_;
  RunCost cost_;
  Trainer trainer_;
  double peak_flops_per_s_ = 0.0;
  std::unique_ptr<report::RunReporter> reporter_;
  Clock::time_point started_;
  double earlier_seconds_ = 0.0;
  i64 saved_step_ = -1;
  i64 first_step_ = 0;
  std::optional<report::StepMetrics> last_step_;
  std::vector<report::ValidationMetrics> validation_;
};

Run::Run(Ctx& ctx, const TrainRequest& request, const TrainEvents& events)
    : ctx_(ctx),
      events_(events),
      setup_(value_or_throw(load_run_setup(request.config))),
      text_(load_run_text(setup_)),
      directory_(request.config.run.out),
      resume_(resume_point(request)),
      data_(prepare()),
      cost_(cost()),
      trainer_(setup_, data_.train, data_.validation, text_.text_bytes,
               cost_.micro_batch_sequences) {
  if (resume_) {
    restore();
  } else {
    begin_anew();
  }
  if (request.measure_peak) peak_flops_per_s_ = ops::gemm_peak_flops_per_s(ctx_);
  io::write_file_atomically(directory_.path() / "run.toml",
                            write_run_file(field_list(setup_.config)));
  reporter_ = std::make_unique<report::RunReporter>(
      directory_.path(), info(), report::ReporterOptions{.last_step_kept = trainer_.state().step});
  earlier_seconds_ = trainer_.state().seconds;
  first_step_ = trainer_.state().step;
  started_ = Clock::now();
}

std::optional<ResumePoint> Run::resume_point(const TrainRequest& request) const {
  const std::vector<i64> steps = directory_.checkpoint_steps();
  if (request.fresh && !steps.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} holds a run of {} steps already; without --fresh it is resumed, or "
                            "name another directory in run.out",
                            directory_.path().string(), steps.back()));
  }
  auto point = find_resume_point(directory_, request.resume_from, setup_);
  if (!point) return point;
  say(log::Level::kInfo,
      fmt::format("resuming from {}, {} of {} steps done", point->checkpoint.string(),
                  point->manifest.state.step, setup_.plan.steps()));
  for (const std::string& change : point->changes) say(log::Level::kWarn, "changed: " + change);
  return point;
}

data::PreparedData Run::prepare() const {
  if (setup_.config.data.train.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                "data.train: no source: add [data.train.NAME] with paths");
  }
  auto prepared = data::prepare_data(setup_.config.data, text_.tokenizer, events_.tokenize);
  say(log::Level::kInfo, "text:\n" + data::format_statistics(prepared.statistics()));
  return prepared;
}

RunCost Run::cost() const {
  i64 micro = setup_.config.train.micro_batch_sequences;
  if (micro == 0 && resume_) micro = resume_->manifest.state.micro_batch_sequences;
  const RunCost cost = run_cost(setup_, micro, free_memory_bytes());
  say(log::Level::kInfo,
      fmt::format("{} parameters, {} active a token; {} steps, {} tokens, {} sequences of {} in "
                  "memory at a time",
                  format_count(cost.size.total + cost.size.mtp), format_count(cost.size.active),
                  setup_.plan.steps(), setup_.plan.tokens(), cost.micro_batch_sequences,
                  setup_.plan.seq_len()));
  say(log::Level::kInfo, "memory:\n" + format_memory(cost.memory));
  return cost;
}

report::RunInfo Run::info() {
  report::RunInfo info;
  info.title = directory_.path().filename().string();
  info.config = write_run_file(field_list(setup_.config));
  info.started =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  info.total_steps = setup_.plan.steps();
  info.total_tokens = setup_.plan.tokens();
  info.facts = {{"parameters", format_count(cost_.size.total + cost_.size.mtp)},
                {"active a token", format_count(cost_.size.active)},
                {"precision", std::string(precision_name(setup_.config.recipe.precision.mode))}};
  return info;
}

void Run::restore() {
  const fs::path& path = resume_->checkpoint;
  if (data::to_string(trainer_.loader().fingerprint()) != resume_->manifest.data_fingerprint) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: the training text is not the text this run began with: files, "
                            "tokenizer, weights, order or sequence length have changed",
                            path.string()));
  }
  read_checkpoint(ctx_, setup_.model, trainer_.model().layout(), path, trainer_.optimizer().state(),
                  trainer_.model().weights());
  const i64 micro = trainer_.state().micro_batch_sequences;
  trainer_.state() = resume_->manifest.state;
  trainer_.state().micro_batch_sequences = micro;
  saved_step_ = trainer_.state().step;
  if (const i64 count = directory_.set_aside_after(saved_step_); count > 0) {
    say(log::Level::kWarn,
        fmt::format("{} later checkpoint{} kept as step-*.aside", count, count == 1 ? "" : "s"));
  }
}

void Run::begin_anew() {
  const ModelSection& model = setup_.config.model;
  model::TrainingModel& trained = trainer_.model();
  if (model.init_from.empty()) {
    trained.initialise(ctx_, model.initializer_std, static_cast<u64>(setup_.config.run.seed));
  } else {
    checkpoint::read_model_directory(ctx_, setup_.model, trained.layout(), model.init_from,
                                     trained.weights());
    say(log::Level::kInfo, fmt::format("weights from {}", model.init_from));
  }
  trainer_.optimizer().start_average(trained.weights());
}

bool Run::due(i64 every) const {
  const i64 step = trainer_.state().step;
  return step == setup_.plan.steps() || (every > 0 && step > 0 && step % every == 0);
}

TrainResult Run::go() {
  const TrainSection& train = setup_.config.train;
  const TrainerState& state = trainer_.state();
  try {
    if (state.step > state.validated_step && due(train.validation_every)) validate();
    while (state.step < setup_.plan.steps() && !stopped()) {
      take_step();
      if (due(train.validation_every)) validate();
      if (due(train.checkpoint_every) && !stopped()) save(Need::kUseful);
    }
    if (saved_step_ != state.step) save(Need::kLast);
    if (state.step == setup_.plan.steps()) {
      export_model();
      reporter_->finish({.step = state.step, .state = report::RunState::kFinished, .reason = ""});
    } else {
      reporter_->finish({state.step, report::RunState::kInterrupted, "stopped by a signal"});
    }
  } catch (const Error& error) {
    reporter_->finish({state.step, report::RunState::kFailed, error.message()});
    throw;
  }
  return result();
}

void Run::take_step() {
  const Clock::time_point begin = Clock::now();
  report::StepMetrics metrics = trainer_.step(ctx_);
  const i64 tokens = setup_.plan.step(metrics.step).sequences * setup_.plan.seq_len();
  metrics.tokens_per_s = static_cast<double>(tokens) / seconds_since(begin);
  if (peak_flops_per_s_ > 0.0) {
    metrics.gemm_peak_frac = metrics.tokens_per_s * cost_.flops.per_token() / peak_flops_per_s_;
  }
  metrics.seconds = earlier_seconds_ + seconds_since(started_);
  trainer_.state().seconds = metrics.seconds;
  reporter_->step(metrics);
  if (events_.step) events_.step(metrics);
  if (metrics.step == first_step_ + 1) {
    say(log::Level::kInfo, fmt::format("scratch of a step beside that: {}",
                                       format_bytes(ctx_.workspace().capacity_bytes())));
  }
  if (!metrics.skipped.empty()) explain_skip(metrics);
  last_step_ = std::move(metrics);
}

void Run::explain_skip(const report::StepMetrics& metrics) {
  const i64 in_row = trainer_.state().skipped_in_row;
  const i64 most = setup_.config.train.max_skipped_steps;
  say(log::Level::kWarn, fmt::format("step {} skipped, {} of at most {} in a row: {}", metrics.step,
                                     in_row, most, metrics.skipped));
  if (in_row < most) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("the run stops: {} steps in a row without a finite loss and gradient "
                          "({}); {}. A lower schedule.peak_lr or optimizer.clip_norm may help",
                          in_row, metrics.skipped, last_checkpoint()));
}

void Run::validate() {
  if (data_.validation.empty()) return;
  auto sets = trainer_.validate(ctx_, [this] { return stopped(); });
  if (!sets) return;  // stopped: the resumed run validates this step first
  for (const report::ValidationMetrics& set : *sets) {
    reporter_->validation(set);
    if (events_.validation) events_.validation(set);
  }
  validation_ = std::move(*sets);
  trainer_.state().validated_step = trainer_.state().step;
}

/// A checkpoint that is not good must not push a good one out.
bool Run::worth_saving(Need need) {
  const i64 step = trainer_.state().step;
  const std::span<float> weights = trainer_.model().weights();
  if (!ops::all_finite(ctx_, {weights.data(), {std::ssize(weights)}})) {
    const std::string text = fmt::format(
        "the weights of step {} are not finite and are not saved; {}", step, last_checkpoint());
    if (need == Need::kLast) throw Error(ErrorCode::kInvalidInput, text);
    say(log::Level::kError, text);
    return false;
  }
  if (need == Need::kLast || trainer_.state().skipped_in_row == 0) return true;
  say(log::Level::kWarn, fmt::format("no checkpoint at step {}, which was skipped", step));
  return false;
}

std::string Run::last_checkpoint() const {
  const std::vector<i64> steps = directory_.checkpoint_steps();
  if (steps.empty()) return "no checkpoint was written before";
  return "the last good checkpoint is " + directory_.checkpoint(steps.back()).string();
}

/// Is the checkpoint that is about to be written the best so far?
void Run::note_best() {
  TrainerState& state = trainer_.state();
  if (!setup_.config.train.keep_best || validation_.empty() ||
      validation_.front().step != state.step) {
    return;
  }
  // The last step is scored on whole sets, which is no comparison with parts of them; its
  // checkpoint is kept as the newest anyway.
  if (setup_.config.train.validation_sequences > 0 && state.step == setup_.plan.steps()) return;
  const double bits = mean_bits_per_byte(validation_);
  if (!std::isfinite(bits) || (state.best && state.best->bits_per_byte <= bits)) return;
  state.best = BestStep{state.step, bits};
}

void Run::save(Need need) {
  if (!worth_saving(need)) return;
  TrainerState& state = trainer_.state();
  const std::optional<BestStep> best_before = state.best;
  const fs::path path = directory_.checkpoint(state.step);
  reporter_->flush();
  note_best();
  state.seconds = earlier_seconds_ + seconds_since(started_);
  try {
    write_checkpoint(ctx_, model_files(trainer_.model().weights()), trainer_.optimizer().state(),
                     {.state = state,
                      .run_config = write_run_file(field_list(setup_.config)),
                      .data_fingerprint = data::to_string(trainer_.loader().fingerprint()),
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
    return say(log::Level::kError, text + "; training goes on");
  }
  saved_step_ = state.step;
  std::optional<i64> best;
  if (state.best && setup_.config.train.keep_best) best = state.best->step;
  directory_.prune(setup_.config.train.keep_last, best);
  say(log::Level::kInfo, fmt::format("checkpoint {}", path.string()));
}

ModelFiles Run::model_files(std::span<const float> weights) {
  return {.config = setup_.model,
          .layout = &trainer_.model().layout(),
          .weights = weights,
          .dtype = stored_dtype(setup_.config.model.dtype),
          .tokenizer = setup_.config.model.tokenizer_path()};
}

void Run::export_model() {
  const bool trained = trainer_.state().step > first_step_;
  if (trained || !fs::exists(directory_.model())) {
    write_model(ctx_, model_files(trainer_.model().weights()), directory_.model());
  }
  if (!trainer_.optimizer().has_average()) return;
  if (trained || !fs::exists(directory_.model_ema())) {
    write_model(ctx_, model_files(trainer_.optimizer().average()), directory_.model_ema());
  }
}

TrainResult Run::result() {
  const TrainerState& state = trainer_.state();
  TrainResult result;
  result.finished = state.step == setup_.plan.steps();
  result.step = state.step;
  result.steps = setup_.plan.steps();
  result.resumed_step = first_step_;
  result.tokens = state.tokens;
  result.skipped_steps = state.skipped_steps;
  result.seconds = state.seconds;
  result.loss = last_step_ ? last_step_->loss : 0.0;
  result.validation = validation_;
  if (saved_step_ >= 0) result.checkpoint = directory_.checkpoint(saved_step_);
  if (result.finished) {
    result.model = directory_.model();
    if (trainer_.optimizer().has_average()) result.model_ema = directory_.model_ema();
  }
  return result;
}

}  // namespace

TrainResult train(Ctx& ctx, const TrainRequest& request, const TrainEvents& events) {
  return Run(ctx, request, events).go();
}

}  // namespace fathom::train
