#pragma once
// What a run of reinforcement learning leaves of its samples.
//   samples.jsonl  a line a sample, in order: step, group, choice, prompt, text, tokens, truncated,
//                  right, reward, its parts, advantage, log_prob (sum over the answer's tokens)
//   rollout.jsonl  the samples that the present rollout's steps still need, with ids and
//                  log-probabilities: for a run that goes on in the middle of one
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "posttrain/grpo/policy_sample.h"
#include "posttrain/grpo/prompt_set.h"

namespace fathom::posttrain {

/// The bytes of a file; nothing if there is none.
std::string read_file_or_nothing(const std::filesystem::path& path);
/// Throws Error{kIo}.
void append_text(const std::filesystem::path& path, const std::string& text);

class SampleLog {
 public:
  explicit SampleLog(std::filesystem::path directory) : directory_(std::move(directory)) {}

  std::filesystem::path file() const { return directory_ / "samples.jsonl"; }
  /// Takes back the samples of steps behind `step`: a run goes on from there.
  void keep_to(i64 step) const;
  /// Throws Error{kIo}.
  void append(i64 step, std::span<const PolicySample> samples, const std::vector<Prompt>& prompts,
              const tokenizer::Tokenizer& tokenizer) const;

  /// How many groups of `group_size` lines stand whole at the file's beginning.
  i64 whole_groups(i64 group_size) const;

  void save_rollout(i64 step, std::span<const PolicySample> samples) const;
  /// Throws Error{kInvalidInput} if it is not there or of another step.
  std::vector<PolicySample> load_rollout(i64 step) const;

 private:
  std::filesystem::path directory_;
};

}  // namespace fathom::posttrain
