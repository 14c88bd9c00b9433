#pragma once
// A model of tests whose answers are known.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "eval/model/language_model.h"

namespace fathom::eval {

/// Answers what a function makes of each request, and keeps the requests.
class Parrot : public LanguageModel {
 public:
  using Answer = std::function<std::string(const GenerationRequest&)>;
  explicit Parrot(Answer answer) : answer_(std::move(answer)) {}
  /// One answer after the other.
  explicit Parrot(std::vector<std::string> answers)
      : answer_([answers = std::move(answers), next = size_t{0}](const GenerationRequest&) mutable {
          return answers.at(next++);
        }) {}

  void score(std::span<const ContextAndText>, const OnScore&) override {}
  void score_documents(std::span<const RollingRequest>, const OnScore&) override {}
  void generate(std::span<const GenerationRequest> requests, const OnText& done) override {
    for (size_t i = 0; i < requests.size(); ++i) {
      asked_.push_back(requests[i]);
      done(i, {.text = answer_(requests[i])});
    }
  }
  ModelFacts facts() const override { return {.name = "parrot"}; }

  const std::vector<GenerationRequest>& asked() const { return asked_; }

 private:
  Answer answer_;
  std::vector<GenerationRequest> asked_;
};

}  // namespace fathom::eval
