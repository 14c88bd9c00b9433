#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>

#include "backend/backend.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/arguments/value_check.h"
#include "cli/command.h"
#include "cli/eval/result_table.h"
#include "cli/eval/subject.h"
#include "cli/interrupt.h"
#include "cli/options/model_options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "eval/model/answer_store.h"
#include "eval/model/request_runner.h"
#include "eval/overlap/overlap.h"
#include "eval/result/page.h"
#include "eval/result/result_files.h"
#include "eval/result/stored_run.h"
#include "eval/run/evaluation.h"
#include "eval/task/task_file.h"
#include "io/files/atomic_file.h"
#include "io/files/directories.h"
#include "io/files/output_path.h"

namespace fathom::cli {
namespace {

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class EvalCommand : public Command {
 public:
  Arguments add(Arguments& app) override {
    command_ =
        app.add_command("eval", "Measure a model on benchmarks, item by item as lm-eval does");
    command_
        .add_option("-m,--model,model", model_.directory,
                    "Model directory (Hugging Face layout), or a .gguf file")
        .type_name("PATH");
    command_
        .add_option(
            "--endpoint", endpoint_.url,
            "In place of it: an OpenAI-compatible server, such as http://127.0.0.1:8000/v1; "
            "OPENAI_API_KEY is its key")
        .type_name("URL");
    command_.add_option("--endpoint-model", endpoint_.model, "The model's name there");
    command_
        .add_option("--tokenizer", tokenizer_,
                    "With --endpoint: the model's directory or .gguf file; log-probabilities are "
                    "asked for by token ids")
        .type_name("PATH");
    command_.add_flag("--chat", endpoint_.chat,
                      "With --endpoint: ask /chat/completions; generation alone");
    command_.add_option("--connections", endpoint_.connections, "With --endpoint: requests at once")
        .check(integer_from(1))
        .show_default();
    command_
        .add_option("-t,--tasks", tasks_,
                    "Built-in tasks (--list) or .toml files of your own, separated by commas")
        .delimiter(',');
    command_.add_flag("--list", list_, "Show the built-in tasks and end");
    command_.add_option("--data", data_, "Folder with the sets, in their published form")
        .show_default()
        .type_name("DIR");
    command_
        .add_option("--preset", preset_,
                    "Whose prompts and metrics: lm-eval, v3 (DeepSeek's report) or another that a "
                    "task file has")
        .show_default();
    command_.add_option("--shots", shots_, "Examples before each question, in place of the task's")
        .check(integer_from(0));
    command_.add_option("--limit", limit_, "Only the first N items of each task")
        .check(integer_from(1));
    command_.add_option("-o,--out", out_, "Write results and samples below this folder")
        .type_name("DIR");
    command_
        .add_option("--bootstrap", bootstrap_,
                    "Resamples for standard errors that have no formula; 0: none")
        .check(integer_from(0))
        .show_default();
    command_
        .add_option("--check-train", training_,
                    "Training text: results are split by whether an item shares 13 words or 50 "
                    "characters in a row with it")
        .type_name("DIR");
    command_.add_flag("--unsafe-code", unsafe_code_,
                      "Run programs that the model wrote without bubblewrap, under limits alone");
    command_
        .add_option("--compare", compare_,
                    "Two results folders, A,B, of fathom or lm-eval: differences with intervals; "
                    "one, with --page")
        .delimiter(',');
    command_
        .add_option("--page", page_,
                    "Write a page of the results of --out or --compare: bars, intervals, items")
        .type_name("FILE");
    add_loading_options(command_, model_);
    command_.add_flag("--json", json_, "Print the results file instead of a table");
    command_.footer(
        "Data are not part of fathom: --list says where each set comes from and under what "
        "licence.\n"
        "Examples:\n"
        "  fathom eval MODEL --data SETS --tasks arc_easy,hellaswag --limit 100\n"
        "  fathom eval MODEL --data SETS --tasks mmlu --shots 5 --out results\n"
        "  fathom eval MODEL --data SETS --tasks my_task.toml --json");
    return command_;
  }

  int run() override {
    if (list_) {
      print_task_list();
      return kExitOk;
    }
    if (!page_.empty()) io::require_output_file(page_);
    if (!compare_.empty()) {
      compare();
      return kExitOk;
    }
    if (tasks_.empty())
      throw Error(ErrorCode::kInvalidInput, "--tasks names none; --list shows them");
    check_model_options();
    if (!page_.empty() && out_.empty()) {
      throw Error(ErrorCode::kInvalidInput, "--page shows what --out keeps: --out is missing");
    }
    if (!out_.empty()) io::require_output_directory(out_);
    std::vector<eval::Task> tasks = read_tasks();
    build_sandbox(tasks);
    look_at_training_text(tasks);
    const InterruptGuard interrupt;
    eval::RunFacts facts{.preset = preset_, .limit = limit_, .bootstrap_iterations = bootstrap_};
    if (sandbox_) facts.sandbox_layers = sandbox_->layers();
    facts.started = unix_now();
    facts.stamp = eval::file_stamp(facts.started);
    try {
      const std::unique_ptr<Subject> subject = open_subject(tasks, interrupt.flag());
      eval::LanguageModel& model = subject->model();
      facts.model = model.facts();
      const auto results = ask_and_keep(model, std::move(tasks));
      facts.seconds = unix_now() - facts.started;
      report_work(model.work(), facts.seconds);
      return finish(results, facts);
    } catch (const eval::EvaluationInterrupted&) {
      throw Interrupted();
    }
  }

 private:
  /// An option that would say nothing of this model is refused.
  void check_model_options() const {
    const bool remote = !endpoint_.url.empty();
    if (remote != model_.directory.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  remote ? fmt::format("--endpoint stands in place of a model, found {} too",
                                       model_.directory)
                         : "a model is missing: a path, or --endpoint");
    }
    constexpr const char* kRemote[] = {"--endpoint-model", "--tokenizer", "--chat",
                                       "--connections"};
    constexpr const char* kLocal[] = {"--gguf-to", "--activations", "--cache-dtype", "--mla"};
    for (const char* const option : remote ? std::span<const char* const>(kLocal) : kRemote) {
      if (!command_.given(option)) continue;
      throw Error(ErrorCode::kInvalidInput, fmt::format("{} has no effect {} --endpoint", option,
                                                        remote ? "with" : "without"));
    }
  }

  std::unique_ptr<Subject> open_subject(const std::vector<eval::Task>& tasks,
                                        const std::atomic<bool>* interrupted) {
    if (endpoint_.url.empty()) return std::make_unique<LocalSubject>(model_, tasks, interrupted);
    const char* const key = std::getenv("OPENAI_API_KEY");
    endpoint_.key = key == nullptr ? "" : key;
    endpoint_.window = model_.context_tokens > 0 ? model_.context_tokens : endpoint_.window;
    endpoint_.interrupted = interrupted;
    return std::make_unique<RemoteSubject>(endpoint_, tokenizer_);
  }

  std::vector<eval::Task> read_tasks() const {
    eval::BuildOptions options{.data = data_, .preset = preset_, .limit = limit_};
    if (command_.given("--shots")) options.shots = shots_;
    std::vector<eval::Task> all;
    for (const std::string& name : tasks_) {
      const eval::TaskSpec spec = value_or_throw(eval::load_task(name));
      for (eval::Task& task : value_or_throw(eval::build_tasks(spec, options))) {
        const bool twice = std::any_of(
            all.begin(), all.end(), [&](const eval::Task& each) { return each.name == task.name; });
        if (twice) {
          throw Error(ErrorCode::kInvalidInput,
                      fmt::format("--tasks: {} stands there twice", task.name));
        }
        all.push_back(std::move(task));
      }
    }
    return all;
  }

  /// Of runs that were written: a page, the differences, or both.
  void compare() const {
    const size_t count = compare_.size();
    if (count > 2 || (count == 1 && page_.empty())) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("--compare: expected two folders, A,B, found {}", count));
    }
    std::vector<eval::StoredRun> runs;
    for (const std::string& folder : compare_) {
      runs.push_back(value_or_throw(eval::read_stored_run(folder)));
    }
    if (count == 2) print_comparison(runs[0], runs[1]);
    write_page(runs);
  }

  void write_page(std::span<const eval::StoredRun> runs) const {
    if (page_.empty()) return;
    io::write_file_atomically(page_, eval::results_page(runs, unix_now()));
    log::info("page written to {}", page_);
  }

  /// Marks the items that stand in it.
  void look_at_training_text(std::vector<eval::Task>& tasks) const {
    if (training_.empty()) return;
    const std::vector<bool> found = value_or_throw(eval::items_in_training_text(tasks, training_));
    size_t at = 0;
    for (eval::Task& task : tasks) {
      for (eval::Item& item : task.items) item.in_training = found[at++];
    }
    log::info("{} of {} items stand in {}", std::count(found.begin(), found.end(), true),
              found.size(), training_);
  }

  /// Before the model is loaded: what cannot be run is said at once.
  void build_sandbox(const std::vector<eval::Task>& tasks) {
    if (!std::any_of(tasks.begin(), tasks.end(), eval::runs_programs)) return;
    sandbox_ = value_or_throw(unsafe_code_ ? eval::Sandbox::unconfined() : eval::Sandbox::build());
    log::info("programs run behind: {}", fmt::join(sandbox_->layers(), ", "));
  }

  std::vector<eval::TaskResult> ask(eval::LanguageModel& model,
                                    std::vector<eval::Task> tasks) const {
    ProgressLine progress;
    eval::EvaluationOptions options{.bootstrap_iterations = bootstrap_};
    if (sandbox_) options.sandbox = &*sandbox_;
    options.on_progress = [&](i64 done, i64 total) { progress.update("answers", done, total); };
    return eval::evaluate(model, std::move(tasks), options);
  }

  /// With --out every answer is kept as it comes, and one that is there is not asked for again.
  std::vector<eval::TaskResult> ask_and_keep(eval::LanguageModel& model,
                                             std::vector<eval::Task> tasks) const {
    if (out_.empty()) return ask(model, std::move(tasks));
    const std::filesystem::path folder = eval::results_folder(out_, model.facts());
    io::make_directories(folder);
    eval::StoredModel stored(model, folder / "answers.jsonl");
    auto results = ask(stored, std::move(tasks));
    if (stored.num_known() > 0) log::info("{} answers were there", stored.num_known());
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
    if (!out_.empty()) {
      const std::filesystem::path folder = eval::write_results(out_, results, facts);
      log::info("written to {}", folder.string());
      const eval::StoredRun run = value_or_throw(eval::read_stored_run(folder));
      write_page({&run, 1});
    }
    if (json_) {
      out::print("{}\n", eval::results_text(results, facts));
    } else {
      print_result_table(results);
    }
    return kExitOk;
  }

  Arguments command_;
  ModelOptions model_;
  eval::EndpointOptions endpoint_;
  std::vector<std::string> tasks_, compare_;
  std::string tokenizer_, data_ = ".", preset_ = "lm-eval", out_, page_, training_;
  i64 shots_ = 0, limit_ = 0, bootstrap_ = 100'000;
  bool list_ = false, json_ = false, unsafe_code_ = false;
  std::optional<eval::Sandbox> sandbox_;
};

}  // namespace

std::unique_ptr<Command> make_eval() { return std::make_unique<EvalCommand>(); }

}  // namespace fathom::cli
