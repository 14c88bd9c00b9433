#include "posttrain/sample/sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "io/files/atomic_file.h"
#include "io/json.h"
#include "posttrain/chat_choice.h"
#include "posttrain/grpo/answer_of.h"
#include "posttrain/grpo/rollout.h"
#include "posttrain/grpo/sample_log.h"
#include "posttrain/reward/answer_text.h"
#include "train/checkpoint/run_directory.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;

class Sampling {
 public:
  Sampling(Ctx& ctx, const RunConfig& config, const SampleEvents& events)
      : ctx_(ctx),
        config_(config),
        events_(events),
        directory_(config.run.out),
        log_(config.run.out),
        kept_path_(fs::path(config.run.out) / "kept.jsonl"),
        tokenizer_(value_or_throw(tokenizer::Tokenizer::load_model(config.model.tokenizer_path()))),
        chat_(choose_chat_template(config, tokenizer_)),
        rewarder_(config.reward, config.sample.max_new_tokens),
        apart_(config.data),
        model_(model::Model::load(ctx, config.model.init_from)) {
    read_prompts_of_config();
    rollout_ = rollout_config();
  }

  SampleResult go();

 private:
  void read_prompts_of_config();
  RolloutConfig rollout_config() const;
  /// Prompts whose whole group an earlier process has written; takes back the rest.
  i64 resume();
  void answer(i64 first, i64 count);
  void judge(PolicySample& sample) const;
  void count(std::span<const PolicySample> group);
  void keep(std::span<const PolicySample> group);
  std::string kept_line(const PolicySample& sample) const;

  Ctx& ctx_;
  const RunConfig& config_;
  const SampleEvents& events_;
  train::RunDirectory directory_;
  SampleLog log_;
  fs::path kept_path_;
  tokenizer::Tokenizer tokenizer_;
  ChatChoice chat_;
  Rewarder rewarder_;
  Decontamination apart_;
  std::unique_ptr<model::Model> model_;
  std::vector<Prompt> prompts_;
  RolloutConfig rollout_;
  std::string kept_text_;  // of the answers in hand
  i64 apart_answers_ = 0;  // good, but for what they have of an evaluation set
  SampleResult result_;
};

void Sampling::read_prompts_of_config() {
  PromptReader reader;
  reader.tokenizer = &tokenizer_;
  reader.chat = chat_;
  reader.bos = config_.data.bos_token.empty() ? std::nullopt
                                              : tokenizer_.token_to_id(config_.data.bos_token);
  reader.max_tokens = config_.data.seq_len - config_.sample.max_new_tokens;
  reader.rewarder = &rewarder_;
  reader.apart = &apart_;
  for (const auto& [name, source] : config_.data.train) {
    auto prompts = read_prompts(reader, source, "data.train." + name);
    std::ranges::move(prompts, std::back_inserter(prompts_));
  }
  result_.all_prompts = std::ssize(prompts_);
  if (events_.message && !apart_.statistics().empty()) {
    events_.message(log::Level::kInfo, apart_.statistics());
  }
}

RolloutConfig Sampling::rollout_config() const {
  RolloutConfig rollout{.group_size = config_.sample.per_prompt,
                        .max_new_tokens = config_.sample.max_new_tokens,
                        .parallel = config_.sample.parallel,
                        .temperature = config_.sample.temperature,
                        .top_p = config_.sample.top_p,
                        .f32 = config_.recipe.precision.mode == TrainPrecision::kF32,
                        .seed = static_cast<u64>(config_.data.seed)};
  rollout.end_ids = stop_ids(chat_, tokenizer_, config_.data.eos_token);
  return rollout;
}

i64 Sampling::resume() {
  const i64 done = log_.whole_groups(config_.sample.per_prompt);
  log_.keep_to(done);  // a group's step is its number from 1
  std::istringstream lines(read_file_or_nothing(kept_path_));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const auto json = io::parse_json(line, kept_path_.string());
    if (!json) break;
    if (value_or_throw(io::get_integer(*json, "prompt_number", kept_path_.string())) >= done) break;
    kept += line + "\n";
    ++result_.kept;
  }
  io::write_file_atomically(kept_path_, kept);
  return done;
}

void Sampling::judge(PolicySample& sample) const {
  const std::string text = answer_text(sample, tokenizer_);
  sample.reward = rewarder_.reward(
      prompts_[static_cast<size_t>(sample.prompt)].key,
      {.text = text, .tokens = sample.answer_tokens(), .truncated = sample.truncated, .draw = 0});
}

std::string Sampling::kept_line(const PolicySample& sample) const {
  const Prompt& prompt = prompts_[static_cast<size_t>(sample.prompt)];
  const std::string text = answer_text(sample, tokenizer_);
  io::JsonObject line;
  if (prompt.messages.empty()) {
    line.set("prompt", prompt.text);
    line.set("completion", text);
  } else {
    const AnswerParts parts = split_thought(text, prompt.key.opens_thought);
    io::JsonObject answer;
    answer.set("role", "assistant");
    if (parts.has_thought) answer.set("reasoning_content", parts.thought);
    answer.set("content", parts.rest);
    io::JsonValue messages = value_or_throw(io::parse_json(prompt.messages, "messages"));
    messages.as_array().emplace_back(std::move(answer));
    line.set("messages", std::move(messages));
  }
  line.set("prompt_number", sample.prompt);
  line.set("choice", sample.choice);
  line.set("seed", config_.data.seed);
  line.set("reward", sample.reward.total);
  line.set("model", config_.model.init_from);
  return io::write_json(std::move(line)) + "\n";
}

void Sampling::count(std::span<const PolicySample> group) {
  const i64 right = std::ranges::count_if(
      group, [](const PolicySample& sample) { return sample.reward.is_right; });
  result_.samples += std::ssize(group);
  result_.right += right;
  result_.solved += right > 0 ? 1 : 0;
  ++result_.prompts;
}

void Sampling::keep(std::span<const PolicySample> group) {
  std::vector<const PolicySample*> good;
  for (const PolicySample& sample : group) {
    const std::vector<i32> answer(sample.ids.begin() + sample.prompt_tokens, sample.ids.end());
    const bool is_good = !sample.truncated && sample.answer_tokens() > 1 &&
                         sample.reward.total >= config_.sample.least_reward &&
                         !is_degenerate(answer);
    if (is_good) good.push_back(&sample);
  }
  if (config_.sample.prefer == SamplePreference::kShortest) {
    std::ranges::stable_sort(good, {}, [](const PolicySample* s) { return s->ids.size(); });
  }
  std::set<std::vector<i32>> seen;
  for (const PolicySample* sample : good) {
    if (std::ssize(seen) == config_.sample.keep) break;
    if (apart_.has(answer_text(*sample, tokenizer_))) {
      ++apart_answers_;
      continue;
    }
    if (!seen.insert(sample->ids).second) continue;
    kept_text_ += kept_line(*sample);
    ++result_.kept;
  }
}

void Sampling::answer(i64 first, i64 count_of) {
  std::vector<RolloutPrompt> prompts;
  for (i64 i = first; i < first + count_of; ++i) {
    prompts.push_back({&prompts_[static_cast<size_t>(i)], i, i});
  }
  std::vector<PolicySample> samples = roll_out(ctx_, *model_, tokenizer_, prompts, rollout_);
  const auto size = static_cast<size_t>(config_.sample.per_prompt);
  for (size_t at = 0; at < samples.size(); at += size) {
    const auto group = std::span(samples).subspan(at, size);
    for (PolicySample& sample : group) judge(sample);
    count(group);
    keep(group);
    log_.append(group.front().group + 1, group, prompts_, tokenizer_);
  }
  append_text(kept_path_, kept_text_);
  kept_text_.clear();
}

SampleResult Sampling::go() {
  const i64 begun = resume();
  result_.prompts = begun;
  if (begun > 0 && events_.message) {
    events_.message(log::Level::kInfo, fmt::format("going on behind {} prompts", begun));
  }
  const i64 batch = std::max<i64>(1, 2 * config_.sample.parallel / config_.sample.per_prompt);
  i64 next = begun;
  while (next < result_.all_prompts) {
    if (events_.stop_requested && events_.stop_requested()) break;
    const i64 count_of = std::min(batch, result_.all_prompts - next);
    answer(next, count_of);
    next += count_of;
    if (events_.progress) events_.progress(next, result_.all_prompts);
  }
  if (apart_answers_ > 0 && events_.message) {
    events_.message(log::Level::kInfo,
                    fmt::format("left out: {} answers with {} words in a row of an item of "
                                "data.apart_from",
                                apart_answers_, config_.data.apart_words));
  }
  result_.finished = next == result_.all_prompts;
  result_.kept_file = kept_path_;
  return result_;
}

}  // namespace

bool is_degenerate(const std::vector<i32>& tokens) {
  constexpr size_t kLongest = 16, kTimes = 8, kTokens = 32;
  for (size_t period = 1; period <= kLongest; ++period) {
    const size_t needed = std::max(kTokens, kTimes * period);
    size_t run = 0;
    for (size_t i = period; i < tokens.size(); ++i) {
      run = tokens[i] == tokens[i - period] ? run + 1 : 0;
      if (run + period >= needed) return true;
    }
  }
  return false;
}

SampleResult sample(Ctx& ctx, const RunConfig& config, const SampleEvents& events) {
  check_sources(config.data);
  if (config.model.init_from.empty()) {
    throw Error(ErrorCode::kInvalidInput, "model.init_from: missing: name the model that answers");
  }
  if (config.sample.max_new_tokens >= config.data.seq_len) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("sample.max_new_tokens: {} leaves no room for a prompt in data.seq_len "
                            "= {}",
                            config.sample.max_new_tokens, config.data.seq_len));
  }
  return Sampling(ctx, config, events).go();
}

}  // namespace fathom::posttrain
