#include "eval/repair/agentless.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "eval/repair/git_repository.h"
#include "eval/repair/localise.h"
#include "eval/repair/test_run.h"
#include "eval/repair/unified_diff.h"
#include "eval/text/python_text.h"

namespace fathom::eval {
namespace {

constexpr double kTemperature = 0.8;
constexpr const char* kReproductionPath = ".reproduce.py";

/// A patch that some of the answers gave.
struct Candidate {
  Files changed;
  std::string patch;
  i64 votes = 0;
  bool tests_pass = false, reproduction_passes = false;
};

/// Equal patches but for comments, blank lines and white space at ends are one.
std::string normalised(const std::string& patch) {
  std::string out;
  for (const std::string& line : split(patch, "\n")) {
    if (line.empty() || (line[0] != '+' && line[0] != '-')) continue;
    std::string_view text = std::string_view(line).substr(1);
    text = strip_right(text.substr(0, text.find(" #")));
    if (strip(text).empty() || strip(text).starts_with('#')) continue;
    out += fmt::format("{}{}\n", line[0], text);
  }
  return out;
}

class Repair {
 public:
  Repair(LanguageModel& model, const Sandbox& sandbox, const RepairInstance& instance,
         const RepairOptions& options, const GitCommit& commit)
      : model_(model), sandbox_(sandbox), instance_(instance), options_(options), commit_(commit) {}

  RepairResult run() {
    RepairResult result;
    look_for_files(result);
    const std::vector<Candidate> all = candidates(result);
    find_reproduction(result);
    result.tests_passed_before = !instance_.test_command.empty() && tests_pass({});
    choose(all, result);
    return result;
  }

 private:
  std::vector<std::string> ask(const std::vector<GenerationRequest>& requests) {
    std::vector<std::string> answers(requests.size());
    model_.generate(requests,
                    [&](size_t index, const GeneratedText& text) { answers[index] = text.text; });
    return answers;
  }

  /// One greedy answer where `with_greedy`, the rest drawn.
  void add_samples(const std::string& prompt, i64 count, bool with_greedy,
                   std::vector<GenerationRequest>& out) const {
    for (i64 i = 0; i < count; ++i) {
      const bool greedy = with_greedy && i == 0;
      out.push_back({.prompt = prompt,
                     .stop = {},
                     .max_tokens = options_.max_tokens,
                     .temperature = greedy ? 0.0 : kTemperature,
                     .seed = greedy ? 0 : options_.seed + static_cast<u64>(i)});
    }
  }

  /// Those that the model names, then those with the problem's words.
  void look_for_files(RepairResult& result) {
    std::vector<GenerationRequest> asked;
    add_samples(files_question(commit_.files(), instance_.problem, options_.files), 1, true, asked);
    result.files = files_answered(ask(asked)[0], commit_.files(), options_.files);
    for (const std::string& path :
         retrieved_files(commit_.files(), instance_.problem, options_.files)) {
      const bool known = std::ranges::find(result.files, path) != result.files.end();
      if (!known && result.files.size() < options_.files) result.files.push_back(path);
    }
    for (const std::string& path : result.files) looked_at_[path] = commit_.files().at(path);
  }

  std::vector<LineSets> locations() {
    std::vector<GenerationRequest> asked;
    add_samples(elements_question(looked_at_, instance_.problem), 1, true, asked);
    const std::set<std::string> elements = elements_answered(ask(asked)[0], looked_at_);
    asked.clear();
    add_samples(lines_question(looked_at_, elements, instance_.problem), options_.locations, false,
                asked);
    std::vector<LineSets> sets;
    for (const std::string& answer : ask(asked)) {
      sets.push_back(lines_answered(answer, looked_at_));
    }
    return sets;
  }

  std::vector<Candidate> candidates(RepairResult& result) {
    std::vector<GenerationRequest> asked;
    for (const LineSets& lines : locations()) {
      add_samples(edit_question(looked_at_, lines, instance_.problem), options_.patches, true,
                  asked);
    }
    std::vector<Candidate> all;
    for (const std::string& answer : ask(asked)) {
      Files files = looked_at_;
      const EditOutcome outcome = apply_edits(answer, files);
      if (!outcome.well_formed() || outcome.blocks == 0) continue;
      Candidate one = candidate(files);
      if (one.patch.empty()) continue;
      ++result.candidates;
      const std::string key = normalised(one.patch);
      const auto same = std::ranges::find_if(
          all, [&](const Candidate& each) { return normalised(each.patch) == key; });
      ++(same == all.end() ? all.emplace_back(std::move(one)) : *same).votes;
    }
    result.different = std::ssize(all);
    return all;
  }

  Candidate candidate(const Files& files) const {
    Candidate out;
    for (const auto& [path, text] : files) {
      const auto before = commit_.files().find(path);
      const bool is_new = before == commit_.files().end();
      if (!is_new && before->second == text) continue;
      out.changed[path] = text;
      out.patch += unified_diff(path, is_new ? "" : before->second, text, is_new);
    }
    return out;
  }

  bool passes(const std::string& command, const Files& changed) const {
    const TestRun run{.archive = commit_.archive(),
                      .files = changed,
                      .command = command,
                      .repeats_line = false,
                      .wall_s = options_.wall_s};
    return run_tests(sandbox_, run).passed;
  }
  bool tests_pass(const Files& changed) const { return passes(instance_.test_command, changed); }

  /// Of the programs that fail as long as nothing is changed, the most frequent one.
  void find_reproduction(RepairResult& result) {
    std::vector<GenerationRequest> asked;
    add_samples(reproduction_question(looked_at_, instance_.problem), options_.reproductions, true,
                asked);
    std::vector<std::pair<i64, std::string>> programs;  // votes, in order of the first
    for (const std::string& answer : ask(asked)) {
      const std::string program = program_answered(answer);
      if (program.empty()) continue;
      const auto same =
          std::ranges::find_if(programs, [&](const auto& each) { return each.second == program; });
      ++(same == programs.end() ? programs.emplace_back(0, program) : *same).first;
    }
    std::ranges::stable_sort(programs,
                             [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [votes, program] : programs) {
      if (reproduction_passes(program, {})) continue;
      result.reproduction = program;
      return;
    }
  }

  bool reproduction_passes(const std::string& program, Files changed) const {
    changed[kReproductionPath] = program;
    return passes(fmt::format("exec /usr/bin/python3 -B {}", kReproductionPath), changed);
  }

  /// Patches that break no test that passed, then those that solve what was reproduced, then by
  /// votes, then the first.
  void choose(std::vector<Candidate> all, RepairResult& result) const {
    const auto rank = [](const Candidate& each) {
      return std::tuple(each.tests_pass, each.reproduction_passes, each.votes);
    };
    const Candidate* best = nullptr;
    for (Candidate& each : all) {
      if (!instance_.test_command.empty()) each.tests_pass = tests_pass(each.changed);
      if (!result.reproduction.empty()) {
        each.reproduction_passes = reproduction_passes(result.reproduction, each.changed);
      }
      if (best == nullptr || rank(each) > rank(*best)) best = &each;
    }
    if (best == nullptr) return;
    result.patch = best->patch;
    result.votes = best->votes;
    result.tests_pass = best->tests_pass;
    result.reproduction_passes = best->reproduction_passes;
  }

  LanguageModel& model_;
  const Sandbox& sandbox_;
  const RepairInstance& instance_;
  const RepairOptions& options_;
  const GitCommit& commit_;
  Files looked_at_;
};

}  // namespace

Result<RepairResult> repair(LanguageModel& model, const Sandbox& sandbox,
                            const RepairInstance& instance, const RepairOptions& options) {
  const Result<GitCommit> commit = GitCommit::open(instance.repository, instance.commit);
  if (!commit) return tl::unexpected(commit.error());
  return Repair(model, sandbox, instance, options, *commit).run();
}

}  // namespace fathom::eval
