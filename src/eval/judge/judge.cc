#include "eval/judge/judge.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/task/metric_names.h"
#include "eval/task/template/template.h"
#include "eval/text/sha256.h"

namespace fathom::eval {
namespace {

constexpr std::string_view kWin = "win", kLoss = "loss", kTie = "tie";

/// "verdict: label" pairs of a task file.
std::string_view label_of(const JudgeSpec& spec, std::string_view verdict) {
  for (const std::string_view pair : spec.labels) {
    const size_t colon = pair.find(": ");
    if (pair.substr(0, colon) == verdict) return pair.substr(colon + 2);
  }
  return {};
}

io::JsonObject one_answer(const std::string& answer) {
  io::JsonObject members;
  members.set("answer", answer);
  return members;
}

/// A fair coin that falls the same way whenever the same things are compared.
bool coin(u64 seed, std::string_view a, std::string_view b, std::string_view c) {
  const std::string digest =
      sha256_hex(fmt::format("{} {}:{}{}:{}{}", seed, a.size(), a, b.size(), b, c));
  return (digest.back() & 1) != 0;
}

}  // namespace

JudgePrompt::JudgePrompt(const JudgeSpec& spec, u64 seed) : spec_(spec), seed_(seed) {}

Result<std::vector<JudgeQuestion>> JudgePrompt::questions(const std::string& answer,
                                                          const Item& item) const {
  const auto wrong = [&](const char* field, const Error& error) {
    return invalid_input(
        fmt::format("{}: judge.{}: {}", item.document.place, field, error.message()));
  };
  std::string other;
  bool swapped = false;
  if (spec_.compares()) {
    const Result<std::string> text =
        fill_template(spec_.baseline, item.document.visible, one_answer(answer));
    if (!text) return wrong("baseline", text.error());
    other = *text;
    swapped = coin(seed_, item.prompt, answer, other);
  }
  std::vector<JudgeQuestion> questions;
  for (i64 vote = 0; vote < spec_.votes; ++vote, swapped = !swapped) {
    io::JsonObject members = one_answer(answer);
    if (spec_.compares()) {
      members.set("first", swapped ? other : answer);
      members.set("second", swapped ? answer : other);
    }
    Result<std::string> text = fill_template(spec_.text, item.document.visible, std::move(members));
    if (!text) return wrong("text", text.error());
    JudgeQuestion question{.request = {.prompt = std::move(*text),
                                       .stop = {},
                                       .max_tokens = spec_.max_tokens,
                                       .temperature = spec_.temperature},
                           .swapped = spec_.compares() && swapped};
    if (spec_.temperature > 0) question.request.seed = seed_ + static_cast<u64>(vote);
    questions.push_back(std::move(question));
  }
  return questions;
}

Result<Verdict> JudgePrompt::read(const JudgeQuestion& question, const std::string& reply,
                                  const io::JsonValue& document) const {
  const Result<std::string> decided = fill_template(spec_.verdict, document, one_answer(reply));
  if (!decided) {
    return invalid_input(fmt::format("judge.verdict: {}", decided.error().message()));
  }
  const std::string_view label = label_of(spec_, *decided);
  Verdict verdict{.reply = reply, .label = std::string(label), .swapped = question.swapped};
  if (spec_.compares()) {
    const bool first = label == "first", second = label == "second";
    verdict.label = !first && !second ? kTie : first != question.swapped ? kWin : kLoss;
  }
  return verdict;
}

double share_of(std::string_view label, std::span<const Verdict> votes) {
  if (votes.empty()) return 0.0;
  const i64 with =
      std::ranges::count_if(votes, [&](const Verdict& verdict) { return verdict.label == label; });
  return static_cast<double>(with) / static_cast<double>(votes.size());
}

double judged_value(std::string_view metric, std::span<const Verdict> votes) {
  if (metric == kWinRate) return share_of(kWin, votes) + 0.5 * share_of(kTie, votes);
  const bool of_correct = metric == "correct_given_attempted" || metric == "f_score";
  return share_of(of_correct ? "correct" : metric, votes);
}

}  // namespace fathom::eval
