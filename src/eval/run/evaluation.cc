#include "eval/run/evaluation.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "eval/run/aggregation.h"
#include "eval/run/answers.h"

namespace fathom::eval {
namespace {

bool wants(const Task& task, std::string_view metric) {
  const auto& all = task.prompt.metrics;
  return std::find(all.begin(), all.end(), metric) != all.end();
}

/// Requests of all tasks in one list, and where each answer goes.
class Questions {
 public:
  Questions(std::vector<TaskResult>& results, u64 seed) : seed_(seed) {
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
    if (result.task.output == OutputKind::kGenerate) return add_prompts(result.task, item, out);
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

  void add_prompts(const Task& task, const Item& item, ItemResult& out) {
    out.answers.resize(static_cast<size_t>(task.prompt.samples));
    for (size_t sample = 0; sample < out.answers.size(); ++sample) {
      prompts_.push_back({.prompt = item.prompt,
                          .stop = item.stop,
                          .max_tokens = task.prompt.max_tokens,
                          .temperature = task.prompt.temperature,
                          .top_p = task.prompt.top_p,
                          .seed = seed_ + sample});
      answers_.push_back(&out.answers[sample]);
    }
  }

  u64 seed_;
  std::vector<ContextAndText> texts_;
  std::vector<TextScore*> scores_;
  std::vector<RollingRequest> documents_;
  std::vector<TextScore*> document_scores_;
  std::vector<GenerationRequest> prompts_;
  std::vector<GeneratedText*> answers_;
};

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

void score_options(TaskResult& result) {
  const Task& task = result.task;
  for (size_t i = 0; i < task.items.size(); ++i) {
    ItemView view;
    for (const std::string& metric : task.prompt.metrics) {
      view.values.push_back(value_of(task, metric, task.items[i], result.items[i].scores));
    }
    result.items[i].views.push_back(std::move(view));
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

bool runs_programs(const Task& task) {
  return std::ranges::any_of(
      task.prompt.metrics, [](const std::string& metric) { return passes_of(metric).has_value(); });
}

bool asks_judge(const Task& task) {
  return std::ranges::any_of(task.prompt.metrics, [&](const std::string& metric) {
    return find_metric(metric, task.output)->judged;
  });
}

std::vector<TaskResult> evaluate(LanguageModel& model, std::vector<Task> tasks,
                                 const EvaluationOptions& options) {
  std::vector<TaskResult> results;
  for (Task& task : tasks) {
    FATHOM_CHECK(options.sandbox != nullptr || !runs_programs(task), task.name);
    FATHOM_CHECK(options.judge != nullptr || !asks_judge(task), task.name);
    TaskResult result;
    result.items.resize(task.items.size());
    result.chance = chance_of(task);
    result.task = std::move(task);
    results.push_back(std::move(result));
  }
  Questions(results, options.seed).ask(model, options);
  for (TaskResult& result : results) {
    if (result.task.output == OutputKind::kGenerate) filter_answers(result);
  }
  judge_answers(results, options);
  for (TaskResult& result : results) {
    if (result.task.output == OutputKind::kGenerate) {
      score_answers(result, options);
    } else {
      score_options(result);
    }
    result.metrics = aggregate(result, options.bootstrap_iterations);
  }
  return results;
}

}  // namespace fathom::eval
