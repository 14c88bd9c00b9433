#include "train/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/clock.h"
#include "base/parallel.h"
#include "base/text.h"
#include "checkpoint/flat_weights.h"
#include "io/files/atomic_file.h"
#include "ops/gemm/gemm_peak.h"
#include "report/run/run_reporter.h"
#include "train/pretrain.h"
#include "train/resume.h"
#include "train/run_text.h"
#include "train/run_writer.h"
#include "train/trainer.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

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
  RunText load_text(const TrainRequest& request);
  std::optional<ResumePoint> resume_point(const TrainRequest& request) const;
  /// The request's stage, or one of our own.
  Stage& choose_stage(const TrainRequest& request);
  RunCost cost() const;
  report::RunInfo info();
  void restore();
  void begin_anew();

  void take_step();
  void explain_skip(const report::StepMetrics& metrics);
  bool due(i64 every) const;
  void validate();
  void save(RunWriter::Need need);
  TrainResult result();
  /// Of training, earlier processes included.
  double seconds() const { return earlier_seconds_ + seconds_since(started_); }

  Ctx& ctx_;
  const TrainEvents& events_;
  RunSetup setup_;
  RunText text_;
  RunDirectory directory_;
  std::optional<ResumePoint> resume_;
  std::unique_ptr<Pretrain> pretrain_;  // if the request brings no stage
  Stage& stage_;
  RunCost cost_;
  Trainer trainer_;
  RunWriter writer_;
  double peak_flops_per_s_ = 0.0;
  std::unique_ptr<report::RunReporter> reporter_;
  Clock::time_point started_;
  double earlier_seconds_ = 0.0;
  i64 first_step_ = 0;
  std::optional<report::StepMetrics> last_step_;
  std::vector<report::ValidationMetrics> validation_;
};

Run::Run(Ctx& ctx, const TrainRequest& request, const TrainEvents& events)
    : ctx_(ctx),
      events_(events),
      setup_(value_or_throw(load_run_setup(request.config))),
      text_(load_text(request)),
      directory_(request.config.run.out),
      resume_(resume_point(request)),
      stage_(choose_stage(request)),
      cost_(cost()),
      trainer_(ctx_, setup_, stage_, text_.text_bytes, cost_.micro_batch_sequences),
      writer_(setup_, directory_, trainer_, events_) {
  if (resume_) {
    restore();
  } else {
    begin_anew();
  }
  if (request.measure_peak) peak_flops_per_s_ = ops::gemm_peak_flops_per_s(ctx_);
  io::write_file_atomically(directory_.path() / "run.toml",
                            resolved_run_file(setup_));
  reporter_ = std::make_unique<report::RunReporter>(
      directory_.path(), info(), report::ReporterOptions{.last_step_kept = trainer_.state().step});
  earlier_seconds_ = trainer_.state().seconds;
  first_step_ = trainer_.state().step;
  started_ = Clock::now();
}

RunText Run::load_text(const TrainRequest& request) {
  RunText text = load_run_text(setup_);
  if (request.stage == nullptr) return text;
  std::vector<i64>& ends = setup_.model.eos_token_id;
  for (const i64 id : request.stage->end_ids()) {
    if (std::ranges::count(ends, id) == 0) ends.push_back(id);
  }
  return text;
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
  events_.say(log::Level::kInfo,
              fmt::format("resuming from {}, {} of {} steps done", point->checkpoint.string(),
                          point->manifest.state.step, setup_.plan.steps()));
  for (const std::string& change : point->changes)
    events_.say(log::Level::kWarn, "changed: " + change);
  return point;
}

Stage& Run::choose_stage(const TrainRequest& request) {
  if (request.stage != nullptr) {
    events_.say(log::Level::kInfo, request.stage->statistics());
    return *request.stage;
  }
  if (setup_.config.data.train.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                "data.train: no source: add [data.train.NAME] with paths");
  }
  pretrain_ = std::make_unique<Pretrain>(
      setup_.config.data, setup_.model.num_nextn_predict_layers,
      data::prepare_data(setup_.config.data, text_.tokenizer, events_.tokenize));
  events_.say(log::Level::kInfo, "text:\n" + pretrain_->statistics());
  return *pretrain_;
}

RunCost Run::cost() const {
  i64 micro = setup_.config.train.micro_batch_sequences;
  if (micro == 0 && resume_) micro = resume_->manifest.state.micro_batch_sequences;
  RunCost cost = run_cost(ctx_, setup_, micro, free_memory_bytes());
  events_.say(
      log::Level::kInfo,
      fmt::format("{} parameters, {} active a token; {} steps, {} tokens, {} sequences of {} in "
                  "memory at a time",
                  format_count(cost.size.total + cost.size.mtp), format_count(cost.size.active),
                  setup_.plan.steps(), setup_.plan.tokens(), cost.micro_batch_sequences,
                  setup_.plan.seq_len()));
  events_.say(log::Level::kInfo, "memory:\n" + format_memory(cost.memory));
  return cost;
}

report::RunInfo Run::info() {
  report::RunInfo info;
  info.title = directory_.path().filename().string();
  info.config = resolved_run_file(setup_);
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
  restore_trainer(ctx_, setup_, *resume_, trainer_);
  const i64 step = trainer_.state().step;
  writer_.resumed_from(step);
  if (const i64 count = directory_.set_aside_after(step); count > 0) {
    events_.say(log::Level::kWarn, fmt::format("{} later checkpoint{} kept as step-*.aside", count,
                                               count == 1 ? "" : "s"));
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
    events_.say(log::Level::kInfo, fmt::format("weights from {}", model.init_from));
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
    while (state.step < setup_.plan.steps() && !events_.stopped()) {
      take_step();
      if (due(train.validation_every)) validate();
      if (due(train.checkpoint_every) && !events_.stopped()) save(RunWriter::Need::kUseful);
    }
    if (writer_.saved_step() != state.step) save(RunWriter::Need::kLast);
    if (state.step == setup_.plan.steps()) {
      writer_.write_models(ctx_, state.step > first_step_);
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
  metrics.seconds = seconds();
  trainer_.state().seconds = metrics.seconds;
  reporter_->step(metrics);
  if (events_.step) events_.step(metrics);
  if (metrics.step == first_step_ + 1) {
    events_.say(log::Level::kInfo, fmt::format("scratch of a step beside that: {}",
                                               format_bytes(ctx_.workspace().capacity_bytes())));
  }
  if (!metrics.skipped.empty()) explain_skip(metrics);
  last_step_ = std::move(metrics);
}

void Run::explain_skip(const report::StepMetrics& metrics) {
  const i64 in_row = trainer_.state().skipped_in_row;
  const i64 most = setup_.config.train.max_skipped_steps;
  events_.say(log::Level::kWarn, fmt::format("step {} skipped, {} of at most {} in a row: {}",
                                             metrics.step, in_row, most, metrics.skipped));
  if (in_row < most) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("the run stops: {} steps in a row without a finite loss and gradient "
                          "({}); {}. A lower schedule.peak_lr or optimizer.clip_norm may help",
                          in_row, metrics.skipped, writer_.last_checkpoint()));
}

void Run::validate() {
  if (stage_.validation().empty()) return;
  auto sets = trainer_.validate(ctx_, [this] { return events_.stopped(); });
  if (!sets) return;  // stopped: the resumed run validates this step first
  for (const report::ValidationMetrics& set : *sets) {
    reporter_->validation(set);
    if (events_.validation) events_.validation(set);
  }
  validation_ = std::move(*sets);
  trainer_.state().validated_step = trainer_.state().step;
}

void Run::save(RunWriter::Need need) {
  reporter_->flush();  // a checkpoint is never ahead of its report
  trainer_.state().seconds = seconds();
  writer_.save(ctx_, need, validation_);
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
  if (writer_.saved_step() >= 0) result.checkpoint = directory_.checkpoint(writer_.saved_step());
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
