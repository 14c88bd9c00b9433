#include "eval/run/evaluation.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "eval/metric/answer_metrics.h"
#include "eval/run/aggregation.h"

namespace fathom::eval {
namespace {

bool wants(const Task& task, std::string_view metric) {
  const auto& all = task.prompt.metrics;
  return std::find(all.begin(), all.end(), metric) != all.end();
}

/// Requests of all tasks in one list, and where each answer goes.
class Questions {
 public:
  explicit Questions(std::vector<TaskResult>& results) {
    for (TaskResult& result : results) {
      for (size_t i = 0; i < result.task.items.size(); ++i) add(result, i);
    }
  }

  void ask(LanguageModel& model, const EvaluationOptions& options) {
    i64 done = 0;
    const auto total = static_cast<i64>(texts_.size() + documents_.size() + prompts_.size());
    const auto progress = [&] {
      ++done;
      if (options.on_progress) options.on_progress(done, total);
    };
    if (!texts_.empty()) {
      model.score(texts_, [&](size_t index, const TextScore& score) {
        *scores_[index] = score;
        progress();
      });
    }
    if (!documents_.empty()) {
      model.score_documents(documents_, [&](size_t index, const TextScore& score) {
        *document_scores_[index] = score;
        progress();
      });
    }
    if (!prompts_.empty()) {
      model.generate(prompts_, [&](size_t index, const GeneratedText& text) {
        *answers_[index] = text;
        progress();
      });
    }
  }

 private:
  void add(TaskResult& result, size_t index) {
    const Item& item = result.task.items[index];
    ItemResult& out = result.items[index];
    if (result.task.output == OutputKind::kGenerate) {
      prompts_.push_back({.prompt = item.prompt,
                          .stop = result.task.prompt.stop,
                          .max_tokens = result.task.prompt.max_tokens});
      answers_.push_back(&out.answer);
      return;
    }
    if (result.task.output == OutputKind::kRolling) {
      documents_.push_back({.text = item.prompt,
                            .window = result.task.prompt.window,
                            .stride = result.task.prompt.stride});
      out.scores.options.resize(1);
      document_scores_.push_back(&out.scores.options.front());
      return;
    }
    out.scores.options.resize(item.options.size());
    for (size_t i = 0; i < item.options.size(); ++i) {
      texts_.push_back(item.options[i]);
      scores_.push_back(&out.scores.options[i]);
    }
    if (!wants(result.task, "acc_mutual_info")) return;
    out.scores.unconditional.resize(item.options.size());
    for (size_t i = 0; i < item.options.size(); ++i) {
      texts_.push_back({"", item.options[i].text});
      scores_.push_back(&out.scores.unconditional[i]);
    }
  }

  std::vector<ContextAndText> texts_;
  std::vector<TextScore*> scores_;
  std::vector<RollingRequest> documents_;
  std::vector<TextScore*> document_scores_;
  std::vector<GenerationRequest> prompts_;
  std::vector<GeneratedText*> answers_;
};

double run_answer(const Task& task, const AnswerScorer& scorer, const std::string& answer,
                  const Item& item, const EvaluationOptions& options) {
  const std::string program = value_or_throw(scorer.program(answer, item.document.visible));
  const RunLimits limits = {.wall_s = task.prompt.program_s};
  return options.sandbox->run_python(program, limits).passed ? 1.0 : 0.0;
}

void score_answer(const Task& task, const AnswerScorer& scorer, const Item& item,
                  const EvaluationOptions& options, ItemResult& result) {
  for (const std::string& filter : scorer.filters()) {
    ItemView view{.filter = filter,
                  .answer = value_or_throw(
                      scorer.filtered(filter, result.answer.text, item.document.visible)),
                  .values = {}};
    for (const std::string& metric : task.prompt.metrics) {
      view.values.push_back(
          metric == kPassMetric
              ? run_answer(task, scorer, view.answer, item, options)
              : scorer.score(metric, view.answer, item.target, item.document.visible));
    }
    result.views.push_back(std::move(view));
  }
}

double value_of(const Task& task, const std::string& metric, const Item& item,
                const OptionScores& scores) {
  switch (task.output) {
    case OutputKind::kLogLikelihood:
      return text_metric(metric, scores.options.front());
    case OutputKind::kRolling:
      return scores.options.front().log_prob;
    default:
      return choice_metric(metric, item, scores);
  }
}

void score_items(TaskResult& result, const EvaluationOptions& options) {
  const Task& task = result.task;
  const AnswerScorer scorer(task.prompt);
  for (size_t i = 0; i < task.items.size(); ++i) {
    ItemResult& item = result.items[i];
    if (task.output == OutputKind::kGenerate) {
      score_answer(task, scorer, task.items[i], options, item);
      continue;
    }
    ItemView view;
    for (const std::string& metric : task.prompt.metrics) {
      view.values.push_back(value_of(task, metric, task.items[i], item.scores));
    }
    item.views.push_back(std::move(view));
  }
}

/// Mean of 1 / options.
double chance_of(const Task& task) {
  if (task.output != OutputKind::kMultipleChoice || task.items.empty()) return 0.0;
  double sum = 0.0;
  for (const Item& item : task.items) sum += 1.0 / static_cast<double>(item.options.size());
  return sum / static_cast<double>(task.items.size());
}

}  // namespace

bool runs_programs(const Task& task) { return wants(task, kPassMetric); }

std::vector<TaskResult> evaluate(LanguageModel& model, std::vector<Task> tasks,
                                 const EvaluationOptions& options) {
  std::vector<TaskResult> results;
  for (Task& task : tasks) {
    FATHOM_CHECK(options.sandbox != nullptr || !runs_programs(task), task.name);
    TaskResult result;
    result.items.resize(task.items.size());
    result.chance = chance_of(task);
    result.task = std::move(task);
    results.push_back(std::move(result));
  }
  Questions(results).ask(model, options);
  for (TaskResult& result : results) {
    score_items(result, options);
    result.metrics = aggregate(result, options.bootstrap_iterations);
  }
  return results;
}

}  // namespace fathom::eval
