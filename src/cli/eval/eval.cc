#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/eval/eval_options.h"
#include "cli/eval/repairs.h"
#include "cli/eval/result_table.h"
#include "cli/eval/stored_results.h"
#include "cli/eval/subject.h"
#include "cli/eval/task_list.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "engine/expert_loads.h"
#include "eval/model/answer_store.h"
#include "eval/model/request_runner.h"
#include "eval/overlap/overlap.h"
#include "eval/result/result_files.h"
#include "eval/run/evaluation.h"
#include "io/files/directories.h"
#include "io/files/output_path.h"

namespace fathom::cli {
namespace {

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class EvalCommand : public Command {
 public:
  Arguments add(Arguments& app) override {
    command_ =
        app.add_command("eval", "Measure a model on benchmarks, item by item as lm-eval does");
    add_eval_options(command_, options_);
    return command_;
  }

  int run() override {
    if (options_.list) {
      print_task_list();
      return kExitOk;
    }
    if (!options_.page.empty()) io::require_output_file(options_.page);
    if (!options_.loads.empty()) io::require_output_file(options_.loads);
    if (!options_.compare.empty()) {
      show_stored_results(options_.compare, options_.page);
      return kExitOk;
    }
    const bool repairs = !options_.exercises.empty() || !options_.repair.empty();
    if (options_.tasks.empty() && !repairs)
      throw Error(ErrorCode::kInvalidInput, "--tasks names none; --list shows them");
    check_eval_options(command_, options_);
    if (!options_.out.empty()) io::require_output_directory(options_.out);
    std::vector<eval::Task> tasks = read_tasks();
    repairs_ = read_repairs(options_);
    // Before the model is loaded: what cannot be run is said at once.
    sandbox_ = sandbox_for(tasks, !repairs_.empty(), options_.unsafe_code);
    check_judge(tasks);
    look_at_training_text(tasks);
    return evaluate(std::move(tasks));
  }

 private:
  int evaluate(std::vector<eval::Task> tasks) {
    const InterruptGuard interrupt;
    eval::RunFacts facts{.preset = options_.preset,
                         .limit = options_.limit,
                         .bootstrap_iterations = options_.bootstrap,
                         .seed = options_.seed};
    if (sandbox_) facts.sandbox_layers = sandbox_->layers();
    facts.started = unix_now();
    facts.stamp = eval::file_stamp(facts.started);
    try {
      const std::unique_ptr<Subject> subject = open_subject(tasks, interrupt.flag());
      const std::unique_ptr<Subject> judge = open_judge(tasks, interrupt.flag());
      if (judge != nullptr) facts.judge = judge->model().facts().name;
      eval::LanguageModel& model = subject->model();
      facts.model = model.facts();
      const auto results = ask_and_keep(model, judge.get(), std::move(tasks));
      facts.seconds = unix_now() - facts.started;
      report_work(model.work(), facts.seconds);
      if (!options_.loads.empty()) {
        engine::write_expert_loads(options_.loads, subject->expert_loads());
        log::info("loads of experts written to {}", options_.loads);
      }
      return finish(results, facts);
    } catch (const eval::EvaluationInterrupted&) {
      throw Interrupted();
    }
  }

  std::unique_ptr<Subject> open_subject(const std::vector<eval::Task>& tasks,
                                        const std::atomic<bool>* interrupted) {
    eval::EndpointOptions endpoint = options_.endpoint;
    if (endpoint.url.empty()) {
      const i64 longest = std::max(longest_request_tokens(tasks), longest_repair_tokens(repairs_));
      std::optional<std::string> chat;
      if (options_.chat) chat = options_.chat_template;
      return std::make_unique<LocalSubject>(options_.model, longest, chat, interrupted,
                                            !options_.loads.empty());
    }
    endpoint.key = environment("OPENAI_API_KEY");
    if (options_.model.context_tokens > 0) endpoint.window = options_.model.context_tokens;
    endpoint.chat = options_.chat;
    endpoint.interrupted = interrupted;
    return std::make_unique<RemoteSubject>(endpoint, options_.tokenizer);
  }

  /// Null where no task asks one.
  std::unique_ptr<Subject> open_judge(const std::vector<eval::Task>& tasks,
                                      const std::atomic<bool>* interrupted) const {
    if (options_.judge.empty()) return nullptr;
    if (!is_url(options_.judge)) {
      const ModelOptions model{.directory = options_.judge};
      return std::make_unique<LocalSubject>(model, longest_judged_tokens(tasks), "", interrupted);
    }
    const eval::EndpointOptions endpoint{.url = options_.judge,
                                         .model = options_.judge_model,
                                         .key = environment("JUDGE_API_KEY"),
                                         .connections = options_.endpoint.connections,
                                         .chat = true,
                                         .interrupted = interrupted};
    return std::make_unique<RemoteSubject>(endpoint, "");
  }

  std::vector<eval::Task> read_tasks() const {
    eval::BuildOptions build{
        .data = options_.data, .preset = options_.preset, .limit = options_.limit};
    if (command_.given("--shots")) build.shots = options_.shots;
    if (command_.given("--samples")) build.samples = options_.samples;
    if (command_.given("--temperature")) build.temperature = options_.temperature;
    std::vector<eval::Task> all = read_task_list(options_.tasks, build, "--tasks");
    const auto generates = [](const eval::Task& task) {
      return task.output == eval::OutputKind::kGenerate;
    };
    for (const char* const option : {"--samples", "--temperature", "--seed", "--chat"}) {
      const bool repairs = !options_.exercises.empty() || !options_.repair.empty();
      if (!command_.given(option) || repairs || std::ranges::any_of(all, generates)) continue;
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{} has no effect: none of the tasks generates answers", option));
    }
    return all;
  }

  /// Marks the items that stand in it.
  void look_at_training_text(std::vector<eval::Task>& tasks) const {
    if (options_.training.empty()) return;
    const std::vector<bool> found =
        value_or_throw(eval::items_in_training_text(tasks, options_.training));
    size_t at = 0;
    for (eval::Task& task : tasks) {
      for (eval::Item& item : task.items) item.in_training = found[at++];
    }
    log::info("{} of {} items stand in {}", std::count(found.begin(), found.end(), true),
              found.size(), options_.training);
  }

  void check_judge(const std::vector<eval::Task>& tasks) const {
    const auto asks = std::ranges::find_if(tasks, eval::asks_judge);
    const bool wanted = asks != tasks.end();
    if (wanted == !options_.judge.empty()) return;
    throw Error(ErrorCode::kInvalidInput,
                wanted ? fmt::format("task {} asks a judge: --judge is missing", asks->name)
                       : "--judge has no effect: none of the tasks asks one");
  }

  std::vector<eval::TaskResult> ask(eval::LanguageModel& model, eval::LanguageModel* judge,
                                    std::vector<eval::Task> tasks) const {
    ProgressLine progress;
    eval::EvaluationOptions options{.judge = judge,
                                    .bootstrap_iterations = options_.bootstrap,
                                    .seed = static_cast<u64>(options_.seed)};
    if (sandbox_) options.sandbox = &*sandbox_;
    options.on_progress = [&](i64 done, i64 total) { progress.update("answers", done, total); };
    options.on_verdict = [&](i64 done, i64 total) { progress.update("verdicts", done, total); };
    std::vector<eval::TaskResult> results = eval::evaluate(model, std::move(tasks), options);
    if (repairs_.empty()) return results;
    const i64 samples = command_.given("--samples") ? options_.samples : 0;
    for (auto& each : run_repairs(model, *sandbox_, repairs_, options_, samples)) {
      results.push_back(std::move(each));
    }
    return results;
  }

  /// With --out every answer is kept as it comes, and one that is there is not asked for again.
  std::vector<eval::TaskResult> ask_and_keep(eval::LanguageModel& model, Subject* judge,
                                             std::vector<eval::Task> tasks) const {
    if (options_.out.empty()) {
      return ask(model, judge == nullptr ? nullptr : &judge->model(), std::move(tasks));
    }
    const std::filesystem::path folder = eval::results_folder(options_.out, model.facts());
    io::make_directories(folder);
    eval::StoredModel stored(model, folder / "answers.jsonl");
    std::optional<eval::StoredModel> verdicts;
    if (judge != nullptr) verdicts.emplace(judge->model(), folder / "verdicts.jsonl");
    auto results = ask(stored, verdicts ? &*verdicts : nullptr, std::move(tasks));
    if (stored.num_known() > 0) log::info("{} answers were there", stored.num_known());
    if (verdicts && verdicts->num_known() > 0) {
      log::info("{} verdicts were there", verdicts->num_known());
    }
    return results;
  }

  static void report_work(const eval::ModelWork& work, double seconds) {
    if (work.asked_tokens == 0) return;
    log::info(
        "{} prompt tokens asked, {} computed ({:.1f} %), {} generated, {:.1f} s", work.asked_tokens,
        work.computed_tokens,
        100.0 * static_cast<double>(work.computed_tokens) / static_cast<double>(work.asked_tokens),
        work.generated_tokens, seconds);
  }

  int finish(const std::vector<eval::TaskResult>& results, const eval::RunFacts& facts) const {
    if (!options_.out.empty()) {
      const std::filesystem::path folder = eval::write_results(options_.out, results, facts);
      log::info("written to {}", folder.string());
      if (!options_.page.empty()) show_stored_results({folder.string()}, options_.page);
    }
    if (options_.json) {
      out::print("{}\n", eval::results_text(results, facts));
    } else {
      print_result_table(results);
    }
    return kExitOk;
  }

  Arguments command_;
  EvalOptions options_;
  Repairs repairs_;
  std::optional<eval::Sandbox> sandbox_;
};

}  // namespace

std::unique_ptr<Command> make_eval() { return std::make_unique<EvalCommand>(); }

}  // namespace fathom::cli
