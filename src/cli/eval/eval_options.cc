#include "cli/eval/eval_options.h"

#include <fmt/format.h>

#include <span>

#include "base/error.h"
#include "cli/arguments/value_check.h"

namespace fathom::cli {
namespace {

void add_subject_options(Arguments& command, EvalOptions& options) {
  command
      .add_option("-m,--model,model", options.model.directory,
                  "Model directory (Hugging Face layout), or a .gguf file")
      .type_name("PATH");
  command
      .add_option("--endpoint", options.endpoint.url,
                  "In place of it: an OpenAI-compatible server, such as http://127.0.0.1:8000/v1; "
                  "OPENAI_API_KEY is its key")
      .type_name("URL");
  command.add_option("--endpoint-model", options.endpoint.model, "The model's name there");
  command
      .add_option("--tokenizer", options.tokenizer,
                  "With --endpoint: the model's directory or .gguf file; log-probabilities are "
                  "asked for by token ids")
      .type_name("PATH");
  command.add_flag("--chat", options.chat,
                   "Prompts are a user's messages: by the checkpoint's chat template, or by "
                   "/chat/completions; generation alone");
  command
      .add_option(
          "--chat-template", options.chat_template,
          "With --chat of a model in this process: built-in chat template; default: the one "
          "recognised in the checkpoint")
      .type_name("NAME");
  command
      .add_option("--connections", options.endpoint.connections,
                  "With --endpoint: requests at once")
      .check(integer_from(1))
      .show_default();
}

void add_task_options(Arguments& command, EvalOptions& options) {
  command
      .add_option("-t,--tasks", options.tasks,
                  "Built-in tasks (--list) or .toml files of your own, separated by commas")
      .delimiter(',');
  command
      .add_option(
          "--exercises", options.exercises,
          "Exercises in Exercism's layout (Aider's polyglot benchmark), solved with edits of "
          "their files in two tries")
      .type_name("DIR");
  command
      .add_option("--repair", options.repair,
                  "Problems of local git repositories in SWE-bench's form, repaired without an "
                  "agent: localise, edit by samples, test, vote; with --out its prediction file")
      .type_name("FILE");
  command.add_flag("--list", options.list, "Show the built-in tasks and end");
  command.add_option("--data", options.data, "Folder with the sets, in their published form")
      .show_default()
      .type_name("DIR");
  command
      .add_option("--preset", options.preset,
                  "Whose prompts and metrics: lm-eval, v3 (DeepSeek's report) or another that a "
                  "task file has")
      .show_default();
  command
      .add_option("--shots", options.shots, "Examples before each question, in place of the task's")
      .check(integer_from(0));
  command
      .add_option("--samples", options.samples,
                  "Answers to each question of generation tasks, in place of the task's; with "
                  "--repair edits for each set of lines (10)")
      .check(integer_from(1));
  command
      .add_option("--temperature", options.temperature,
                  "Of answers of generation tasks, in place of the task's; 0: greedy")
      .check(number_between(0, 2));
  command.add_option("--seed", options.seed, "Of drawn answers: sample s has this and s")
      .check(integer_from(0))
      .show_default();
  command.add_option("--limit", options.limit, "Only the first N items of each task")
      .check(integer_from(1));
}

void add_scoring_options(Arguments& command, EvalOptions& options) {
  command
      .add_option(
          "--judge", options.judge,
          "For tasks that ask one: a model directory or .gguf file, or a server's URL up to "
          "/v1; JUDGE_API_KEY is its key")
      .type_name("PATH|URL");
  command.add_option("--judge-model", options.judge_model, "The judge's name on its server");
  command
      .add_option("--check-train", options.training,
                  "Training text: results are split by whether an item shares 13 words or 50 "
                  "characters in a row with it")
      .type_name("DIR");
  command.add_flag("--unsafe-code", options.unsafe_code,
                   "Run programs that the model wrote without bubblewrap, under limits alone");
}

void add_result_options(Arguments& command, EvalOptions& options) {
  command.add_option("-o,--out", options.out, "Write results and samples below this folder")
      .type_name("DIR");
  command
      .add_option("--loads", options.loads,
                  "Write how many tokens chose each expert, for `fathom plan balance`")
      .type_name("FILE");
  command
      .add_option("--bootstrap", options.bootstrap,
                  "Resamples for standard errors that have no formula; 0: none")
      .check(integer_from(0))
      .show_default();
  command
      .add_option("--compare", options.compare,
                  "Two results folders, A,B, of fathom or lm-eval: differences with intervals; "
                  "one, with --page")
      .delimiter(',');
  command
      .add_option("--page", options.page,
                  "Write a page of the results of --out or --compare: bars, intervals, items")
      .type_name("FILE");
}

}  // namespace

void add_eval_options(Arguments& command, EvalOptions& options) {
  add_subject_options(command, options);
  add_task_options(command, options);
  add_scoring_options(command, options);
  add_result_options(command, options);
  add_loading_options(command, options.model);
  command.add_flag("--json", options.json, "Print the results file instead of a table");
  command.footer(
      "Data are not part of fathom: --list says where each set comes from and under what "
      "licence.\n"
      "Examples:\n"
      "  fathom eval MODEL --data SETS --tasks arc_easy,hellaswag --limit 100\n"
      "  fathom eval MODEL --data SETS --tasks mmlu --shots 5 --out results\n"
      "  fathom eval MODEL --data SETS --tasks my_task.toml --json");
}

bool is_url(const std::string& text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

void check_eval_options(const Arguments& command, const EvalOptions& options) {
  const auto refuse = [](std::string message) {
    throw Error(ErrorCode::kInvalidInput, std::move(message));
  };
  const bool remote = !options.endpoint.url.empty();
  if (remote && !options.loads.empty()) refuse("--loads counts in a model of this process");
  if (remote != options.model.directory.empty()) {
    refuse(remote ? fmt::format("--endpoint stands in place of a model, found {} too",
                                options.model.directory)
                  : "a model is missing: a path, or --endpoint");
  }
  constexpr const char* kRemote[] = {"--endpoint-model", "--tokenizer", "--connections"};
  if (!options.chat && !options.chat_template.empty()) {
    refuse("--chat-template has no effect without --chat");
  }
  constexpr const char* kLocal[] = {"--chat-template", "--gguf-to", "--activations",
                                    "--cache-dtype", "--mla"};
  for (const char* const option : remote ? std::span<const char* const>(kLocal) : kRemote) {
    if (!command.given(option)) continue;
    refuse(fmt::format("{} has no effect {} --endpoint", option, remote ? "with" : "without"));
  }
  if (!options.judge_model.empty() && !is_url(options.judge)) {
    refuse("--judge-model has no effect without a --judge that is a server");
  }
  if (!options.repair.empty() && options.out.empty()) {
    refuse("--repair writes a file of predictions: --out is missing");
  }
  if (!options.page.empty() && options.out.empty()) {
    refuse("--page shows what --out keeps: --out is missing");
  }
}

}  // namespace fathom::cli
