#include "train/run.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "io/files/atomic_file.h"
#include "train/run/impl.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

}  // namespace

bool Run::due(i64 every) const {
  const i64 step = trainer_.state().step;
  return step == setup_.plan.steps() || (every > 0 && step > 0 && step % every == 0);
}

TrainResult Run::go() {
  const TrainSection& train = setup_.config.train;
  const TrainerState& state = trainer_.state();
  try {
    if (state.step < setup_.plan.steps()) {
      stage_.begin_run(ctx_, events_);
      started_ = Clock::now();  // a stage's preparation is no training
    }
    if (state.step > state.validated_step && due(train.validation_every)) validate();
    evaluate_if_due();
    while (state.step < setup_.plan.steps() && !stopped()) {
      take_step();
      if (due(train.validation_every)) validate();
      // Before the tasks: what goes wrong in one of them must not cost the steps before it.
      if (due(train.checkpoint_every) && !stopped()) save(RunWriter::Need::kUseful);
      evaluate_if_due();
    }
    if (writer_.saved_step() != state.step) save(RunWriter::Need::kLast);
    if (state.step == setup_.plan.steps()) {
      writer_.write_models(ctx_, state.step > first_step_);
      tell_end(report::RunState::kFinished, "");
    } else {
      tell_end(report::RunState::kInterrupted, "stopped by a signal");
    }
  } catch (const Error& error) {
    tell_end(report::RunState::kFailed, error.message());
    throw;
  }
  return result();
}

void Run::write_trace(const parallel::StepTrace& trace) {
  const std::string text = parallel::chrome_trace(world_, trace);
  if (!is_root()) return;
  const fs::path path = directory_.path() / "trace.json";
  io::write_file_atomically(path, text);
  events_.say(log::Level::kInfo, fmt::format("timeline of the step: {}", path.string()));
}

void Run::tell_end(report::RunState state, const std::string& reason) {
  if (is_root()) reporter_->finish({trainer_.state().step, state, reason});
}

void Run::take_step() {
  const Clock::time_point begin = Clock::now();
  const bool traced = trainer_.state().step + 1 == setup_.config.parallel.trace_step;
  parallel::StepTrace trace(world_);
  report::StepMetrics metrics = trainer_.step(ctx_, traced ? &trace : nullptr);
  if (traced) write_trace(trace);
  const i64 tokens = setup_.plan.step(metrics.step).sequences * setup_.plan.seq_len();
  metrics.tokens_per_s = static_cast<double>(tokens) / seconds_since(begin);
  if (peak_flops_per_s_ > 0.0) {
    metrics.gemm_peak_frac = metrics.tokens_per_s * cost_.flops.per_token() / peak_flops_per_s_;
  }
  metrics.seconds = seconds();
  trainer_.state().seconds = metrics.seconds;
  if (is_root()) reporter_->step(metrics);
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
    if (is_root()) reporter_->validation(set);
    if (events_.validation) events_.validation(set);
  }
  validation_ = std::move(*sets);
  trainer_.state().validated_step = trainer_.state().step;
}

void Run::evaluate_if_due() {
  const i64 step = trainer_.state().step;
  if (tasks_ == nullptr || !due(setup_.config.eval.every)) return;
  // Records are cut where a run is resumed: what is there is of these weights.
  if (reporter_->evaluated_step() == step || stopped()) return;
  auto all = tasks_->evaluate(ctx_, trainer_.model(), step);
  if (!all) return;  // stopped: the resumed run measures this step first
  reporter_->tasks(*all);
  if (events_.task) std::ranges::for_each(*all, events_.task);
  task_metrics_ = std::move(*all);
}

void Run::save(RunWriter::Need need) {
  if (is_root()) reporter_->flush();  // a checkpoint is never ahead of its report
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
  result.tasks = task_metrics_;
  if (writer_.saved_step() >= 0) result.checkpoint = directory_.checkpoint(writer_.saved_step());
  if (result.finished) {
    result.model = directory_.model();
    if (trainer_.optimizer().has_average()) result.model_ema = directory_.model_ema();
  }
  return result;
}

TrainResult train(Ctx& ctx, const TrainRequest& request, const TrainEvents& events) {
  return Run(ctx, request, events).go();
}

}  // namespace fathom::train
