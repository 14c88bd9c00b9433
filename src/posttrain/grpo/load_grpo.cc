// From a run file to the stage: tokenizer, rewards, prompts.
#include <fmt/format.h>

#include <algorithm>

#include "posttrain/chat_choice.h"
#include "posttrain/grpo/grpo.h"
#include "posttrain/sample_rows.h"
#include "posttrain/warm_up.h"
#include "train/run/setup.h"
#include "train/run/text.h"

namespace fathom::posttrain {
namespace {

/// What the run's own keys become for this stage.
RunConfig of_stage(RunConfig config) {
  config.grpo = with_preset(config.grpo);
  config.recipe.balance.bias_update_speed = 0.0;
  config.train.batch_sequences = config.grpo.prompts * config.grpo.group_size;
  one_sample_a_row(config);
  return config;
}

void check_keys(const RunConfig& given, const RunConfig& config) {
  Problems problems;
  check_sample_rows(given, problems);
  const i64 per_rollout = config.grpo.minibatches * config.grpo.inner_epochs;
  if (config.train.checkpoint_every % per_rollout != 0) {
    problems.invalid("train.checkpoint_every",
                     fmt::format("{} is no multiple of the {} steps of a rollout (grpo.minibatches "
                                 "* grpo.inner_epochs)",
                                 config.train.checkpoint_every, per_rollout));
  }
  if (config.grpo.kl_weight > 0.0 && config.model.init_from.empty()) {
    problems.invalid("model.init_from", "missing: the reference of grpo.kl_weight is read there");
  }
  const i64 reference_every = config.grpo.reference_every;
  if (reference_every > 0 && (config.grpo.kl_weight == 0.0 || reference_every % per_rollout != 0 ||
                              config.train.checkpoint_every == 0 ||
                              reference_every % config.train.checkpoint_every != 0)) {
    problems.invalid("grpo.reference_every",
                     fmt::format("{}: expected grpo.kl_weight above 0, and a multiple of the {} "
                                 "steps of a rollout and of train.checkpoint_every = {}, so that a "
                                 "run that goes on finds its reference",
                                 reference_every, per_rollout, config.train.checkpoint_every));
  }
  if (config.grpo.max_new_tokens >= config.data.seq_len) {
    problems.invalid("grpo.max_new_tokens",
                     fmt::format("{} leaves no room for a prompt in data.seq_len = {}",
                                 config.grpo.max_new_tokens, config.data.seq_len));
  }
  if (!problems.empty()) throw Error(problems.error("run file"));
}

PromptReader prompt_reader(const RunConfig& config, const tokenizer::Tokenizer& tokenizer,
                           const ChatChoice& chat, const Rewarder& rewarder) {
  PromptReader reader;
  reader.tokenizer = &tokenizer;
  reader.chat = chat;
  if (!config.data.bos_token.empty()) reader.bos = tokenizer.token_to_id(config.data.bos_token);
  reader.max_tokens = config.data.seq_len - config.grpo.max_new_tokens;
  reader.rewarder = &rewarder;
  return reader;
}

}  // namespace

LoadedStage load_grpo(const RunConfig& config) {
  check_sources(config.data);
  GrpoParts parts;
  parts.config = of_stage(config);
  check_keys(config, parts.config);
  fit_default_warm_up(parts.config);
  train::RunSetup setup = value_or_throw(train::load_run_setup(parts.config));
  train::RunText text = train::load_run_text(setup);
  parts.mtp_depth = setup.model.num_nextn_predict_layers;
  parts.tokenizer = std::make_unique<tokenizer::Tokenizer>(std::move(text.tokenizer));
  parts.rewarder = std::make_unique<Rewarder>(config.reward, config.grpo.max_new_tokens);
  const ChatChoice chat = choose_chat_template(config, *parts.tokenizer);
  parts.end_ids = end_ids(chat, *parts.tokenizer);
  parts.stop_ids = stop_ids(chat, *parts.tokenizer, config.data.eos_token);
  PromptReader reader = prompt_reader(parts.config, *parts.tokenizer, chat, *parts.rewarder);
  Decontamination apart(config.data);
  reader.apart = &apart;
  for (const auto& [name, source] : config.data.train) {
    auto prompts = read_prompts(reader, source, "data.train." + name);
    parts.statistics += fmt::format("  data.train.{}: {} prompts\n", name, prompts.size());
    std::ranges::move(prompts, std::back_inserter(parts.prompts));
  }
  parts.statistics += apart.statistics();
  reader.apart = nullptr;
  for (const auto& [name, source] : config.data.validation) {
    auto prompts = read_prompts(reader, source, "data.validation." + name);
    parts.statistics += fmt::format("  data.validation.{}: {} prompts\n", name, prompts.size());
    parts.held_out.push_back({name, std::move(prompts)});
  }
  LoadedStage loaded{.config = parts.config, .stage = nullptr};
  loaded.stage = std::make_unique<Grpo>(std::move(parts));
  return loaded;
}

}  // namespace fathom::posttrain
