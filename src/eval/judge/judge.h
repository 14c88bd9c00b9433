#pragma once
// A model's opinion of another one's answers.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/model/language_model.h"
#include "eval/task/items.h"

namespace fathom::eval {

/// What a judge said about one answer.
struct Verdict {
  std::string reply;
  std::string label;  // a metric's name; of a comparison "win", "loss" or "tie"; "": no label fits
  bool swapped = false;  // of a comparison: the model's answer stood second
};

struct JudgeQuestion {
  GenerationRequest request;
  bool swapped = false;
};

/// A task's questions to a judge. In a comparison the order of the two answers is drawn by a hash
/// of seed, question and answers, and turned round with each further vote: judges prefer what they
/// read first (L. Zheng et al. 2023, 2306.05685).
class JudgePrompt {
 public:
  /// `spec` has passed its check; it must outlive this.
  JudgePrompt(const JudgeSpec& spec, u64 seed);

  /// One for each vote. kInvalidInput names the item and what it lacks.
  Result<std::vector<JudgeQuestion>> questions(const std::string& answer, const Item& item) const;
  /// kInvalidInput: the verdict's template asks for what the item does not have.
  Result<Verdict> read(const JudgeQuestion& question, const std::string& reply,
                       const io::JsonValue& document) const;

 private:
  const JudgeSpec& spec_;
  u64 seed_;
};

/// Of one answer: the share of the votes with the metric's label; of win_rate with ties as half.
/// Metrics over correct and attempted answers give the share of correct ones.
double judged_value(std::string_view metric, std::span<const Verdict> votes);

/// The share of the votes with `label`.
double share_of(std::string_view label, std::span<const Verdict> votes);

}  // namespace fathom::eval
