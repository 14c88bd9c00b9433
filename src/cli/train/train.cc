#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/error.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/train/run_on_ranks.h"
#include "cli/train/train_dry_run.h"
#include "cli/train/train_progress.h"
#include "cli/train/train_result.h"
#include "cli/train/train_tasks.h"
#include "config/run/run_file.h"
#include "io/json.h"
#include "posttrain/load_stage.h"
#include "posttrain/sample/sample.h"
#include "train/run.h"
#include "train/run/setup.h"

namespace fathom::cli {
namespace {

void print_samples(const posttrain::SampleResult& result, bool json) {
  if (!json) {
    out::print("{} of {} prompts, {} with a right answer; {} of {} samples right, {} kept: {}\n",
               result.prompts, result.all_prompts, result.solved, result.right, result.samples,
               result.kept, result.kept_file.string());
    return;
  }
  io::JsonObject object;
  object.set("finished", result.finished);
  object.set("prompts", result.prompts);
  object.set("all_prompts", result.all_prompts);
  object.set("samples", result.samples);
  object.set("right", result.right);
  object.set("solved", result.solved);
  object.set("kept", result.kept);
  object.set("kept_file", result.kept_file.string());
  out::print("{}\n", io::write_json(std::move(object), 2));
}

class Train : public Command {
 public:
  Arguments add(Arguments& app) override {
    Arguments command = app.add_command("train", "Train a model from a run file");
    command.add_option("run", run_file_, "Run file (TOML)").type_name("FILE");
    command.add_option("--set", settings_, "Change a key of the run file; may be repeated")
        .type_name("SECTION.KEY=VALUE")
        .one_value_each();
    command.add_flag("--dry-run", dry_run_,
                     "Print parameters, memory, tokens, operations and time, and do nothing");
    command.add_flag("--print-config", print_config_, "Print the resolved run file");
    command.add_flag("--keys", keys_, "Print every key of a run file with its default");
    command.add_flag("--fresh", fresh_,
                     "Refuse a run directory that holds checkpoints; default: go on from them");
    command
        .add_option("--resume-from", resume_from_,
                    "A checkpoint of the run to go on from, instead of the newest")
        .type_name("DIR");
    command
        .add_option("--ranks", ranks_,
                    "Train on so many ranks, threads of this process (under mpirun: its processes "
                    "are the ranks); [parallel] of the run file says what they are for")
        .type_name("N")
        .check(integer_between(1, 256));
    command.add_flag("--json", json_, "Print the result as JSON");
    command.footer(
        "A run that was stopped or killed goes on by the same command, bit for bit. Ctrl-C, "
        "SIGTERM or\na lost terminal finishes the step, saves and exits with 0; a second Ctrl-C "
        "ends at once.\n"
        "The run directory holds checkpoints, metrics.jsonl, TensorBoard events, report.html and, "
        "at the\nend, model/: a Hugging Face directory.\n"
        "Examples:\n"
        "  fathom train configs/train/nano.toml --set run.out=runs/a --set model.tokenizer=tok \\\n"
        "    --set data.train.prose.paths=books --set data.validation.prose.paths=held-out\n"
        "  fathom train run.toml --set schedule.peak_lr=1e-3 --dry-run\n"
        "  fathom train --keys");
    return command;
  }

  int run() override {
    RunConfig config;
    if (keys_) {
      out::print("{}", describe_run_file(field_list(config)));
      return kExitOk;
    }
    if (run_file_.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  "train: name a run file; `fathom train --keys` lists what it may hold");
    }
    value_or_throw(read_run_file(run_file_, settings_, field_list(config)));
    if (print_config_) {
      out::print("{}", write_run_file(field_list(config)));
      return kExitOk;
    }
    if (config.run.stage == TrainStage::kSample) return sample(config);
    // The length of a stage behind pre-training may follow from its samples.
    posttrain::LoadedStage loaded = posttrain::load_stage(config);
    const train::RunSetup setup = value_or_throw(train::load_run_setup(loaded.config));
    if (dry_run_) {
      print_dry_run(setup, json_);
      return kExitOk;
    }
    const InterruptGuard interrupt;
    const std::unique_ptr<train::TaskEvaluator> tasks =
        make_task_evaluator(setup, interrupt.flag());
    return train(setup, loaded.stage.get(), tasks.get(), interrupt);
  }

 private:
  int sample(const RunConfig& config) const {
    const InterruptGuard interrupt;
    Ctx ctx = backend::make_context();
    ProgressLine answering;
    const posttrain::SampleResult result = posttrain::sample(
        ctx, config,
        {.message = [](log::Level level, const std::string& text) { log::write(level, text); },
         .stop_requested = [&] { return interrupt.interrupted(); },
         .progress = [&](i64 done, i64 all) { answering.update("answering", done, all); }});
    print_samples(result, json_);
    return kExitOk;
  }

  int train(const train::RunSetup& setup, train::Stage* stage, train::TaskEvaluator* tasks,
            const InterruptGuard& interrupt) const {
    std::optional<train::TrainResult> result;  // on rank 0
    {
      TrainProgress progress(setup.plan.steps(), setup.plan.tokens());
      ProgressLine preparing;
      const train::TrainEvents events = events_of(interrupt, progress, preparing);
      run_on_ranks(setup.config, ranks_, [&](comm::Comm& world) {
        posttrain::LoadedStage own;  // threads share no stage: its numbers are a rank's
        if (stage != nullptr && ranks_ > 1 && world.rank() != 0)
          own = posttrain::load_stage(setup.config);
        train::TrainResult of_rank =
            train_on(world, setup, own.stage ? own.stage.get() : stage, tasks, events);
        if (world.rank() == 0) result = std::move(of_rank);
      });
    }
    if (!result) return kExitOk;
    print_train_result(*result, setup.config.run.out, json_);
    return kExitOk;
  }

  /// What rank 0 tells; the others only ask whether to stop.
  static train::TrainEvents events_of(const InterruptGuard& interrupt, TrainProgress& progress,
                                      ProgressLine& preparing) {
    train::TrainEvents events;
    events.message = [&](log::Level level, const std::string& text) {
      progress.message(level, text);
    };
    events.step = [&](const report::StepMetrics& metrics) { progress.step(metrics); };
    events.validation = [&](const report::ValidationMetrics& metrics) {
      progress.validation(metrics);
    };
    events.task = [&](const report::TaskMetrics& metrics) { progress.task(metrics); };
    events.stop_requested = [&] { return interrupt.interrupted(); };
    events.tokenize = [&](const data::TokenizeProgress& state) {
      interrupt.check();
      preparing.update(fmt::format("tokenizing {}", state.source), state.file_bytes,
                       state.total_file_bytes);
    };
    events.progress = [&](const std::string& what, i64 done, i64 all) {
      preparing.update(what, done, all);
    };
    return events;
  }

  train::TrainResult train_on(comm::Comm& world, const train::RunSetup& setup, train::Stage* stage,
                              train::TaskEvaluator* tasks, const train::TrainEvents& events) const {
    train::TrainEvents of_rank = events;
    if (world.rank() != 0) of_rank = {.stop_requested = events.stop_requested};
    Ctx ctx = backend::make_context();
    return train::train(ctx,
                        {.config = setup.config,
                         .fresh = fresh_,
                         .resume_from = resume_from_,
                         .world = &world,
                         .stage = stage,
                         .tasks = tasks},
                        of_rank);
  }

  std::string run_file_, resume_from_;
  std::vector<std::string> settings_;
  int ranks_ = 1;
  bool dry_run_ = false, print_config_ = false, keys_ = false, fresh_ = false, json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_train() { return std::make_unique<Train>(); }

}  // namespace fathom::cli
