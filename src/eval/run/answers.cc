#include "eval/run/answers.h"

#include <fmt/format.h>

#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "eval/metric/answer_metrics.h"
#include "eval/metric/statistics.h"

namespace fathom::eval {
namespace {

/// An answer's place among all results.
struct AnswerPlace {
  ItemView* view = nullptr;
  size_t sample = 0;
  const Item* item = nullptr;
  const JudgePrompt* judge = nullptr;
};

/// The metrics of one item behind one filter.
class ViewScorer {
 public:
  ViewScorer(const Task& task, const AnswerScorer& scorer, const Item& item, const ItemView& view,
             const EvaluationOptions& options)
      : task_(task), scorer_(scorer), item_(item), view_(view), options_(options) {}

  double value(const std::string& metric) {
    const std::string base(majority_of(metric));
    if (!base.empty()) {
      return score(base, scorer_.majority(base, view_.answers, item_.document.visible));
    }
    if (const std::optional<i64> k = passes_of(metric)) {
      return pass_at_k(std::ssize(view_.answers), num_passed(), *k);
    }
    const bool judged = find_metric(metric, task_.output)->judged;
    double sum = 0.0;
    for (size_t i = 0; i < view_.answers.size(); ++i) {
      sum += judged ? judged_value(metric, view_.verdicts[i]) : score(metric, view_.answers[i]);
    }
    return sum / static_cast<double>(view_.answers.size());
  }

 private:
  double score(const std::string& metric, const std::string& answer) const {
    return scorer_.score(metric, answer, item_.target, item_.document.visible);
  }

  /// Equal answers are run once.
  i64 num_passed() {
    i64 passed = 0;
    for (const std::string& answer : view_.answers) {
      const auto [place, is_new] = passed_.try_emplace(answer, false);
      if (is_new) place->second = runs(answer);
      passed += place->second ? 1 : 0;
    }
    return passed;
  }

  bool runs(const std::string& answer) const {
    const io::JsonValue& document = item_.document.visible;
    const std::string program = value_or_throw(scorer_.program(answer, document));
    const std::string language = value_or_throw(scorer_.language(document));
    const RunLimits limits = {.wall_s = task_.prompt.program_s};
    return options_.sandbox->run(language, program, limits).passed;
  }

  const Task& task_;
  const AnswerScorer& scorer_;
  const Item& item_;
  const ItemView& view_;
  const EvaluationOptions& options_;
  std::map<std::string, bool> passed_;
};

}  // namespace

void filter_answers(TaskResult& result) {
  const AnswerScorer scorer(result.task.prompt);
  for (size_t i = 0; i < result.items.size(); ++i) {
    for (const std::string& filter : scorer.filters()) {
      ItemView view{.filter = filter, .answers = {}, .verdicts = {}, .values = {}};
      for (const GeneratedText& answer : result.items[i].answers) {
        view.answers.push_back(value_or_throw(
            scorer.filtered(filter, answer.text, result.task.items[i].document.visible)));
      }
      result.items[i].views.push_back(std::move(view));
    }
  }
}

void judge_answers(std::vector<TaskResult>& results, const EvaluationOptions& options) {
  std::vector<JudgePrompt> judges;
  judges.reserve(results.size());
  std::vector<JudgeQuestion> questions;
  std::vector<AnswerPlace> places;
  for (TaskResult& result : results) {
    if (!asks_judge(result.task)) continue;
    const JudgePrompt& judge = judges.emplace_back(result.task.prompt.judge, options.seed);
    for (size_t i = 0; i < result.items.size(); ++i) {
      const Item& item = result.task.items[i];
      for (ItemView& view : result.items[i].views) {
        view.verdicts.resize(view.answers.size());
        for (size_t sample = 0; sample < view.answers.size(); ++sample) {
          auto asked = value_or_throw(judge.questions(view.answers[sample], item));
          questions.insert(questions.end(), std::make_move_iterator(asked.begin()),
                           std::make_move_iterator(asked.end()));
          places.insert(places.end(), asked.size(), {&view, sample, &item, &judge});
        }
      }
    }
  }
  if (questions.empty()) return;
  std::vector<GenerationRequest> requests;
  for (const JudgeQuestion& each : questions) requests.push_back(each.request);
  std::vector<Verdict> verdicts(questions.size());
  i64 done = 0;
  options.judge->generate(requests, [&](size_t index, const GeneratedText& reply) {
    const AnswerPlace& place = places[index];
    verdicts[index] = value_or_throw(
        place.judge->read(questions[index], reply.text, place.item->document.visible));
    if (options.on_verdict) options.on_verdict(++done, std::ssize(questions));
  });
  for (size_t i = 0; i < verdicts.size(); ++i) {
    places[i].view->verdicts[places[i].sample].push_back(std::move(verdicts[i]));
  }
}

void score_answers(TaskResult& result, const EvaluationOptions& options) {
  const AnswerScorer scorer(result.task.prompt);
  for (size_t i = 0; i < result.items.size(); ++i) {
    for (ItemView& view : result.items[i].views) {
      ViewScorer values(result.task, scorer, result.task.items[i], view, options);
      for (const std::string& metric : result.task.prompt.metrics) {
        view.values.push_back(values.value(metric));
      }
    }
  }
}

Result<std::vector<std::string>> program_languages(const Task& task) {
  std::set<std::string> names;
  if (!runs_programs(task)) return std::vector<std::string>();
  const AnswerScorer scorer(task.prompt);
  for (const Item& item : task.items) {
    Result<std::string> name = scorer.language(item.document.visible);
    if (!name) {
      return invalid_input(
          fmt::format("{}: language: {}", item.document.place, name.error().message()));
    }
    names.insert(std::move(*name));
  }
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace fathom::eval
