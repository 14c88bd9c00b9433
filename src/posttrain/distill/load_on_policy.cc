// From a run file to the stage: rows of one sample, and whether answers fit.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "posttrain/chat_choice.h"
#include "posttrain/distill/on_policy.h"
#include "posttrain/sample_rows.h"
#include "posttrain/warm_up.h"
#include "train/run/setup.h"

namespace fathom::posttrain {
namespace {

void check_on_policy(const RunConfig& config) {
  Problems problems;
  check_sample_rows(config, problems);
  if (!config.distill.store.empty()) {
    problems.unsupported("distill.store",
                         "with distill.on_policy the teacher is asked at every step");
  }
  if (config.distill.nll_weight > 0.0) {
    problems.unsupported("distill.nll_weight",
                         "with distill.on_policy the student's own draws would be what it is to "
                         "learn");
  }
  if (!problems.empty()) throw Error(problems.error("run file"));
}

/// Of the sample that a line gave last: whether its last answer can be written anew.
std::string no_room(const SampleSet& set, const RunConfig& config) {
  const i64 room = config.data.seq_len - config.distill.max_new_tokens;
  const i64 prompt = OnPolicyDistill::last_answer(set, set.size() - 1).prompt_tokens;
  if (prompt <= room) return "";
  return fmt::format(
      "its prompt has {} tokens; data.seq_len = {} less distill.max_new_tokens = {} leaves {}",
      prompt, config.data.seq_len, config.distill.max_new_tokens, room);
}

}  // namespace

OnPolicyParts read_on_policy(const RunConfig& config) {
  check_on_policy(config);
  OnPolicyParts parts{
      .samples = read_sft_parts(config, [&](const SampleSet& set) { return no_room(set, config); }),
      .teacher = choose_teacher(config)};
  RunConfig& resolved = parts.samples.config;
  one_sample_a_row(resolved);
  if (resolved.train.steps == 0) {
    const double samples = config.sft.epochs * static_cast<double>(parts.samples.train.size());
    const auto batch = static_cast<double>(resolved.train.batch_sequences);
    resolved.train.steps = std::max<i64>(1, std::llround(samples / batch));
  }
  fit_default_warm_up(resolved);
  parts.tokenizer = std::make_unique<tokenizer::Tokenizer>(
      value_or_throw(tokenizer::Tokenizer::load_model(config.model.tokenizer_path())));
  parts.stop_ids = stop_ids(choose_chat_template(config, *parts.tokenizer), *parts.tokenizer,
                            config.data.eos_token);
  return parts;
}

}  // namespace fathom::posttrain
