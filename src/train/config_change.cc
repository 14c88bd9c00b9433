#include "train/config_change.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "config/run/run_file.h"
#include "train/run/plan.h"

namespace fathom::train {
namespace {

enum class Kind { kHarmless, kRounding, kPlan, kContent, kRefused };

struct Rule {
  std::string_view prefix;
  Kind kind;
};

/// The first rule whose prefix the key begins with decides.
constexpr std::array<Rule, 42> kRules = {{
    {"run.out", Kind::kHarmless},
    {"model.dtype", Kind::kHarmless},
    {"model.config", Kind::kContent},
    {"model.tokenizer", Kind::kContent},
    {"train.validation_", Kind::kHarmless},
    {"train.checkpoint_every", Kind::kHarmless},
    {"train.keep_", Kind::kHarmless},
    {"train.max_skipped_steps", Kind::kHarmless},
    {"train.micro_batch_sequences", Kind::kRounding},
    {"train.", Kind::kPlan},
    {"data.validation.", Kind::kHarmless},
    {"data.cache_dir", Kind::kHarmless},
    {"data.verify_cache", Kind::kHarmless},
    {"data.strict", Kind::kHarmless},
    {"data.train.", Kind::kContent},
    {"data.seed", Kind::kContent},
    {"data.seq_len", Kind::kContent},
    {"data.fim_rate", Kind::kContent},
    {"data.split_rate", Kind::kContent},
    {"data.transform_seed", Kind::kContent},
    {"data.bos_token", Kind::kContent},
    {"data.eos_token", Kind::kContent},
    {"schedule.", Kind::kPlan},
    {"balance.bias_update_speed", Kind::kPlan},
    {"balance.bias_freeze_frac", Kind::kPlan},
    {"mtp.", Kind::kPlan},
    {"recompute.", Kind::kRounding},
    {"parallel.engine", Kind::kHarmless},
    {"parallel.deadline_s", Kind::kHarmless},
    {"parallel.check_calls", Kind::kHarmless},
    {"parallel.check_every", Kind::kHarmless},
    {"parallel.trace_step", Kind::kHarmless},
    {"parallel.", Kind::kRounding},
    {"distill.store", Kind::kHarmless},  // its own key guards what it holds
    {"distill.parallel", Kind::kRounding},
    {"grpo.held_out_", Kind::kHarmless},
    {"grpo.parallel", Kind::kRounding},
    {"grpo.max_drift", Kind::kHarmless},
    {"eval.", Kind::kHarmless},
    {"sft.epochs", Kind::kPlan},
    {"sft.chat_template", Kind::kContent},
    {"sft.too_long", Kind::kContent},
}};

/// `run`: as it began.
Kind kind_of(std::string_view key, const RunConfig& run) {
  // What a teacher thinks of these sets lies in the run's store, under a hash of all samples.
  const bool has_store = run.run.stage == TrainStage::kDistill && run.distill.on_policy == 0.0;
  if (has_store && key.starts_with("data.validation.")) return Kind::kRefused;
  for (const Rule& rule : kRules) {
    if (key.starts_with(rule.prefix)) return rule.kind;
  }
  return Kind::kRefused;
}

std::string shown(const std::string& value) { return value.empty() ? "not there" : value; }

std::string line_of(const ConfigDifference& difference) {
  return fmt::format("{}: {}, now {}", difference.key, shown(difference.before),
                     shown(difference.after));
}

}  // namespace

Result<std::vector<std::string>> accept_changes(RunConfig& before, RunConfig& after, i64 steps) {
  std::vector<std::string> accepted;
  std::string refused;
  bool plan_changed = false;
  for (const ConfigDifference& difference :
       compare_configs(field_list(before), field_list(after))) {
    std::string line = line_of(difference);
    const Kind kind = kind_of(difference.key, before);
    if (kind == Kind::kRefused) {
      refused += "\n  " + line;
      continue;
    }
    if (kind == Kind::kRounding) line += " (sums are rounded otherwise from here on)";
    plan_changed = plan_changed || kind == Kind::kPlan;
    accepted.push_back(std::move(line));
  }
  if (plan_changed) {
    const std::string where = first_difference(RunPlan(before), RunPlan(after), steps);
    if (!where.empty()) {
      refused += fmt::format("\n  a step already taken would have been another: {}", where);
    }
  }
  if (refused.empty()) return accepted;
  std::string message = fmt::format(
      "the run has taken {} steps with other settings, which these would change the meaning of:{}",
      steps, refused);
  for (const std::string& line : accepted) {
    if (plan_changed) message += fmt::format("\n  changed too: {}", line);
  }
  return invalid_input(message +
                       "\nbegin a new run in another directory, or put the settings back");
}

}  // namespace fathom::train
