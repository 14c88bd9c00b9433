// A run from its run file to the first step: text, the checkpoint to go on from, memory.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "checkpoint/flat_weights.h"
#include "data/cache/prepare.h"
#include "io/files/atomic_file.h"
#include "ops/gemm/gemm_peak.h"
#include "train/run/impl.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;

std::string_view precision_name(TrainPrecision mode) {
  for (const auto& [value, name] : kTrainPrecisionNames) {
    if (value == mode) return name;
  }
  return "";
}

/// Of every step, since the batch may grow. `micro` 0: how large micro-batches are is not known
/// yet.
void check_layout(const RunSetup& setup, i64 ranks, i64 micro) {
  std::vector<std::string> problems;
  i64 sequences = 0;
  for (i64 step = 1; step <= setup.plan.steps() && problems.empty(); ++step) {
    const i64 now = setup.plan.step(step).sequences;
    if (now == sequences) continue;
    sequences = now;
    problems = parallel::layout_problems(setup.config.parallel, ranks, setup.model, now, micro);
    if (now == setup.config.train.batch_sequences) break;  // it grows no more
  }
  if (problems.empty()) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("run file, on {} rank{}:\n  {}", ranks, ranks == 1 ? "" : "s",
                          fmt::join(problems, "\n  ")));
}

RunSetup load_setup(const TrainRequest& request, i64 ranks) {
  if (request.stage == nullptr && !request.config.data.apart_from.empty()) {
    throw Error(
        ErrorCode::kUnsupported,
        "data.apart_from: \"pretrain\" leaves nothing out; `fathom eval --check-train` says "
        "which items stand in its text");
  }
  if (request.stage != nullptr && ranks > 1) {
    const std::string why = request.stage->alone_because();
    if (!why.empty()) {
      throw Error(ErrorCode::kUnsupported, fmt::format("run.stage: on {} ranks: {}", ranks, why));
    }
  }
  if (request.tasks != nullptr && ranks > 1) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("eval.tasks: on {} ranks no tasks can be measured on the way; "
                            "`fathom eval` measures the finished model",
                            ranks));
  }
  RunSetup setup = value_or_throw(load_run_setup(request.config));
  check_layout(setup, ranks, request.config.train.micro_batch_sequences);
  return setup;
}

}  // namespace

Run::Run(Ctx& ctx, const TrainRequest& request, const TrainEvents& events)
    : ctx_(ctx),
      events_(events),
      alone_(request.world == nullptr ? std::optional(comm::Comm::self()) : std::nullopt),
      world_(request.world == nullptr ? *alone_ : *request.world),
      setup_(load_setup(request, world_.size())),
      text_(load_text(request)),
      directory_(open_directory(request.config.run.out)),
      resume_(resume_point(request)),
      stage_(choose_stage(request)),
      tasks_(request.tasks),
      cost_(cost()),
      trainer_(ctx_, setup_, stage_, text_.text_bytes, cost_.micro_batch_sequences, &world_),
      writer_(setup_, directory_, trainer_, events_) {
  if (resume_) {
    restore();
  } else {
    begin_anew();
  }
  if (world_.size() > 1) {
    say_memory(trainer_.memory(ctx_));
    events_.say(log::Level::kInfo, trainer_.ranks().nodes());
  }
  if (is_root()) {
    if (request.measure_peak) peak_flops_per_s_ = ops::gemm_peak_flops_per_s(ctx_);
    io::write_file_atomically(directory_.path() / "run.toml", resolved_run_file(setup_));
    reporter_ = std::make_unique<report::RunReporter>(
        directory_.path(), info(),
        report::ReporterOptions{.last_step_kept = trainer_.state().step});
  }
  // Until here ranks may differ by hours: one of them makes the cache of tokens.
  world_.barrier();
  world_.set_deadline(setup_.config.parallel.deadline_s);
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

RunDirectory Run::open_directory(const fs::path& path) const {
  return is_root() ? RunDirectory(path) : RunDirectory::of_other_rank(path);
}

i64 Run::from_root(i64 number) const {
  world_.broadcast(std::as_writable_bytes(std::span(&number, 1)), /*root=*/0);
  return number;
}

std::optional<ResumePoint> Run::resume_point(const TrainRequest& request) const {
  if (!is_root()) {
    const i64 step = from_root(0);
    if (step < 0) return std::nullopt;
    return resume_point_of(directory_.checkpoint(step));
  }
  auto point = find_own_resume_point(request);
  from_root(point ? point->manifest.state.step : -1);
  return point;
}

std::optional<ResumePoint> Run::find_own_resume_point(const TrainRequest& request) const {
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
  if (!is_root()) world_.barrier();  // rank 0 fills the cache of tokens first
  pretrain_ = std::make_unique<Pretrain>(
      setup_.config.data, setup_.model.num_nextn_predict_layers,
      data::prepare_data(setup_.config.data, text_.tokenizer, events_.tokenize));
  if (is_root()) world_.barrier();
  events_.say(log::Level::kInfo, "text:\n" + pretrain_->statistics());
  return *pretrain_;
}

RunCost Run::cost() const {
  i64 micro = setup_.config.train.micro_batch_sequences;
  if (micro == 0 && resume_) micro = resume_->manifest.state.micro_batch_sequences;
  const i64 free_bytes = free_memory_bytes() / world_.size();
  if (micro == 0) micro = choose_micro_batch(ctx_, setup_, free_bytes);
  if (setup_.config.train.micro_batch_sequences == 0 && world_.size() > 1) {
    // No larger than a rank's share, and as many as fill a pipeline.
    const ParallelConfig& parallel = setup_.config.parallel;
    const i64 sharers = world_.size() / parallel.pipeline_ranks;
    const i64 pieces = parallel.pipeline_ranks == 1 ? 1 : 2 * parallel.pipeline_ranks;
    const i64 share = setup_.plan.step(1).sequences / sharers;
    micro = std::clamp<i64>(share / pieces, 1, micro);
  }
  micro = from_root(micro);
  check_layout(setup_, world_.size(), micro);
  RunCost cost = run_cost(ctx_, setup_, micro, free_bytes);
  events_.say(
      log::Level::kInfo,
      fmt::format("{} parameters, {} active a token; {} steps, {} tokens, {} sequences of {} in "
                  "memory at a time",
                  format_count(cost.size.total + cost.size.mtp), format_count(cost.size.active),
                  setup_.plan.steps(), setup_.plan.tokens(), cost.micro_batch_sequences,
                  setup_.plan.seq_len()));
  if (world_.size() == 1) say_memory(cost.memory);
  return cost;
}

void Run::say_memory(const model::TrainingMemory& memory) const {
  events_.say(
      log::Level::kInfo,
      fmt::format("memory{}:\n{}", world_.size() == 1 ? "" : " of rank 0", format_memory(memory)));
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
  if (!is_root()) return;
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

}  // namespace fathom::train
