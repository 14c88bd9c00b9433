#pragma once
// Rejection sampling: a model answers prompts, rules judge, what is good becomes a file that stage
// sft reads. The step between two trainings: R1's, STaR's, and distillation of a teacher's text.
#include <filesystem>
#include <functional>
#include <string>

#include "base/log.h"
#include "config/run/run_config.h"
#include "device/ctx.h"

namespace fathom::posttrain {

struct SampleEvents {
  std::function<void(log::Level, const std::string&)> message;
  std::function<bool()> stop_requested;
  std::function<void(i64 prompts, i64 all)> progress;
};

struct SampleResult {
  bool finished = false;  // else it was stopped
  i64 prompts = 0;        // answered, earlier processes included
  i64 all_prompts = 0;
  i64 samples = 0, right = 0;
  i64 solved = 0;  // prompts with a right answer
  i64 kept = 0;
  std::filesystem::path kept_file;
};

/// Answers data.train's prompts with the model of model.init_from. Leaves in run.out
///   samples.jsonl  every answer (sample_log.h), groups of sample.per_prompt
///   kept.jsonl     the good ones, different ones of a prompt, as stage sft reads them, each with
///                  prompt_number, choice, seed, reward and the model it is from
/// Answers depend on the model, the seed and the prompt's number alone; a run that was stopped goes
/// on behind the last whole group. Throws Error: a line that is no prompt, no model, a full disk.
SampleResult sample(Ctx& ctx, const RunConfig& config, const SampleEvents& events = {});

/// The same few tokens over and over: some block of 1 to 16 tokens at least 8 times in a row, 32
/// tokens or more.
bool is_degenerate(const std::vector<i32>& tokens);

}  // namespace fathom::posttrain
