#include "posttrain/distill/on_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/clock.h"
#include "base/rng.h"
#include "data/permutation.h"
#include "io/json.h"
#include "posttrain/grpo/answer_of.h"
#include "posttrain/grpo/policy_rows.h"
#include "posttrain/held_out.h"
#include "train/validation.h"

namespace fathom::posttrain {
namespace {

constexpr u64 kOrder = 0x6f72646572000000, kShare = 0x7368617265;

}  // namespace

OnPolicyDistill::OnPolicyDistill(OnPolicyParts parts)
    : parts_(std::move(parts)),
      log_(config().run.out),
      weights_(config().sft.loss),
      loss_(config().distill, parts_.teacher.num_ids) {
  for (const SftParts::NamedSet& named : parts_.samples.validation) {
    Judged& judged = held_out_.emplace_back();
    for (i64 i = 0; i < named.set.size(); ++i) {
      judged.samples.push_back(as_it_stands(named.set, i));
      judged.samples.back().group = i;
    }
  }
}

io::Hash128 OnPolicyDistill::fingerprint() const {
  const DistillConfig& distill = config().distill;
  io::Hasher hasher;
  parts_.samples.train.add_to(hasher);
  hasher.add(config().data.seed);
  hasher.add(parts_.teacher.key.teacher);
  hasher.add(fmt::format("{} {} {} {} {}", distill.on_policy, distill.max_new_tokens,
                         distill.sample_temperature, distill.top_k, distill.temperature));
  return hasher.digest();
}

std::string OnPolicyDistill::statistics() const {
  const DistillConfig& distill = config().distill;
  return fmt::format(
      "{}teacher {}: {} of {} ids a token; {:.0f} % of the answers are the "
      "student's, of at most {} tokens\n",
      parts_.samples.statistics, parts_.teacher.directory.string(), parts_.teacher.key.top_k,
      parts_.teacher.num_ids, 100.0 * distill.on_policy, distill.max_new_tokens);
}

PolicySample OnPolicyDistill::last_answer(const SampleSet& set, i64 number) {
  const SampleSet::Sample from = set[number];
  const auto marks = std::span(from.supervised).subspan(1);  // nothing is predicted of the first
  size_t end = marks.size();
  while (end > 0 && marks[end - 1] == 0) --end;
  size_t begin = end;
  while (begin > 0 && marks[begin - 1] != 0) --begin;
  PolicySample sample;
  sample.prompt = number;
  sample.ids.assign(from.ids.begin(), from.ids.begin() + static_cast<i64>(end) + 1);
  sample.prompt_tokens = static_cast<i64>(begin) + 1;
  return sample;
}

PolicySample OnPolicyDistill::as_it_stands(const SampleSet& set, i64 number) {
  const SampleSet::Sample from = set[number];
  const auto is_learnt = [&](size_t token) { return from.supervised[token] != 0; };
  size_t end = from.ids.size(), begin = 1;  // nothing is predicted of the first
  while (end > 1 && !is_learnt(end - 1)) --end;
  while (begin < end && !is_learnt(begin)) ++begin;
  PolicySample sample;
  sample.prompt = number;
  sample.ids.assign(from.ids.begin(), from.ids.begin() + static_cast<i64>(end));
  sample.marks.assign(from.supervised.begin(), from.supervised.begin() + static_cast<i64>(end));
  sample.prompt_tokens = static_cast<i64>(begin);
  return sample;
}

void OnPolicyDistill::begin_run(Ctx& ctx, const train::TrainEvents& events) {
  events_ = events;
  teacher_ = std::make_unique<Teacher>(ctx, parts_.teacher, config().data.seq_len);
  i64 all = 0, done = 0;
  for (const Judged& set : held_out_) all += std::ssize(set.samples);
  for (Judged& set : held_out_) {
    for (const PolicySample& sample : set.samples) {
      if (events.stopped()) return;
      set.first_row.push_back(set.rows.rows());
      ask(sample, set.rows);
      if (events.progress) events.progress("asking the teacher", ++done, all);
    }
  }
}

void OnPolicyDistill::ask(const PolicySample& sample, TeacherMemory& rows) {
  std::vector<u8> marks;
  for (i64 i = 0; i < std::ssize(sample.ids); ++i) marks.push_back(sample.is_target(i) ? 1 : 0);
  teacher_->ask(sample.ids, marks, [&](const TeacherRow& row) { rows.add(row); });
}

/// Epoch after epoch, each in an order of its own; who writes the answer is drawn for each place.
void OnPolicyDistill::draw_samples(const train::StepPlan& plan) {
  const SampleSet& set = parts_.samples.train;
  const auto seed = static_cast<u64>(config().data.seed);
  const Philox coins(seed, kShare);
  step_.samples.clear();
  is_own_.clear();
  for (i64 i = 0; i < plan.sequences; ++i) {
    const i64 place = plan.first_sample + i;
    const data::Permutation order(set.size(), seed, kOrder + static_cast<u64>(place / set.size()));
    const i64 number = order.at(place % set.size());
    const bool is_own = coins.uniform(static_cast<u64>(place)) < config().distill.on_policy;
    step_.samples.push_back(is_own ? last_answer(set, number) : as_it_stands(set, number));
    step_.samples.back().group = i;
    is_own_.push_back(is_own);
  }
}

void OnPolicyDistill::answer(Ctx& ctx, std::span<PolicySample* const> samples) {
  const DistillConfig& distill = config().distill;
  std::vector<Prompt> prompts(samples.size());
  std::vector<RolloutPrompt> asked;
  for (size_t i = 0; i < samples.size(); ++i) {
    prompts[i].ids.assign(samples[i]->ids.begin(),
                          samples[i]->ids.begin() + samples[i]->prompt_tokens);
    // Of the run: another place draws otherwise.
    asked.push_back({&prompts[i], samples[i]->prompt, first_sample_ + samples[i]->group});
  }
  RolloutConfig rollout{.max_new_tokens = distill.max_new_tokens,
                        .parallel = distill.parallel,
                        .temperature = distill.sample_temperature,
                        .end_ids = parts_.stop_ids,
                        .f32 = config().recipe.precision.mode == TrainPrecision::kF32,
                        .seed = static_cast<u64>(config().data.seed)};
  const auto answers = roll_out(ctx, *policy_, *parts_.tokenizer, asked, rollout);
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i]->ids = answers[i].ids;
    samples[i]->truncated = answers[i].truncated;
  }
}

void OnPolicyDistill::begin_step(Ctx& ctx, const train::StepPlan& plan,
                                 model::TrainingModel& model) {
  FATHOM_CHECK(teacher_ != nullptr, "a step without begin_run()");
  ctx_ = &ctx;
  model_ = &model;
  if (policy_ == nullptr) {
    policy_ = model::Model::share(model.config(), model.layout(), model.weights());
    log_.keep_to(plan.step - 1);
  }
  before_.clear();
  if (plan.step == 1) before_ = measure_held_out();
  first_sample_ = plan.first_sample;
  draw_samples(plan);
  std::vector<PolicySample*> own;
  for (PolicySample& sample : step_.samples) {
    if (is_own_[static_cast<size_t>(sample.group)]) own.push_back(&sample);
  }
  const Clock::time_point begin = Clock::now();
  if (!own.empty()) answer(ctx, own);
  rollout_s_ = seconds_since(begin);
  step_.rows.clear();
  step_.first_row.clear();
  for (const PolicySample& sample : step_.samples) {
    step_.first_row.push_back(step_.rows.rows());
    ask(sample, step_.rows);
  }
  teacher_s_ = seconds_since(begin) - rollout_s_;
  write_samples(plan.step);
  ordered_ = longest_first(step_.samples);
  weights_.begin_step(step_.rows.rows(), plan.sequences);
  loss_.begin_step();
}

void OnPolicyDistill::read(data::SampleRange range, data::SequenceBatch& batch) {
  const auto first = static_cast<size_t>(range.first - first_sample_);
  const auto part = std::span(ordered_).subspan(first, static_cast<size_t>(range.count));
  fill_rows({part.data(), part.size()}, parts_.samples.mtp_depth, batch);
  for (i64 r = 0; r < range.count; ++r) {
    const i64 number = part[static_cast<size_t>(r)]->prompt;
    batch.samples[static_cast<size_t>(r)] = range.first + r;
    batch.sources[static_cast<size_t>(r)] = parts_.samples.train[number].source;
  }
}

void OnPolicyDistill::begin_batch(const Judged& judged, std::span<PolicySample* const> samples,
                                  const data::SequenceBatch& batch, DistillLoss& loss,
                                  SampleLoss& weights) {
  const i64 positions = batch.num_sequences * batch.seq_len;
  rows_.assign(static_cast<size_t>(positions), -1);
  const PolicySample* sample_before = nullptr;
  i64 row = 0;
  for_each_target(samples, batch.seq_len, 0, positions,
                  [&](const PolicySample& sample, i64, i64 position) {
                    if (&sample != sample_before) {
                      sample_before = &sample;
                      row = judged.first_row[static_cast<size_t>(sample.group)];
                    }
                    rows_[static_cast<size_t>(position)] = row++;
                  });
  weights.begin_batch(batch);
  loss.begin_batch(weights, judged.rows, rows_);
}

void OnPolicyDistill::prepare(const data::SequenceBatch& batch, model::TrainingBatch& input) {
  const auto first = static_cast<size_t>(batch.samples.front() - first_sample_);
  begin_batch(step_, std::span(ordered_).subspan(first, static_cast<size_t>(batch.num_sequences)),
              batch, loss_, weights_);
  input.objective = &loss_;
}

std::vector<report::NamedNumber> OnPolicyDistill::measure_held_out() {
  std::vector<report::NamedNumber> numbers;
  model_->refresh_weights(*ctx_);
  model::StepStats unused(model_->config());
  const auto micro = static_cast<size_t>(config().train.micro_batch_sequences);
  data::SequenceBatch batch;
  for (size_t i = 0; i < held_out_.size(); ++i) {
    const std::vector<PolicySample*> all = longest_first(held_out_[i].samples);
    SampleLoss weights(SftLoss::kTokens);
    DistillLoss measured(config().distill, parts_.teacher.num_ids);
    for (size_t first = 0; first < all.size(); first += micro) {
      if (events_.stopped()) return {};
      const auto part = std::span(all).subspan(first, std::min(micro, all.size() - first));
      fill_rows({part.data(), part.size()}, parts_.samples.mtp_depth, batch);
      begin_batch(held_out_[i], part, batch, measured, weights);
      model::TrainingBatch input = train::as_training_batch(batch, /*isolate_documents=*/false);
      input.objective = &measured;
      model_->forward_only(*ctx_, input, unused);
    }
    numbers.emplace_back(parts_.samples.validation[i].name + "/divergence",
                         measured.mean_divergence());
  }
  return numbers;
}

void OnPolicyDistill::write_samples(i64 step) const {
  std::string text;
  for (const PolicySample& sample : step_.samples) {
    if (!is_own_[static_cast<size_t>(sample.group)]) continue;
    const auto prompt = std::span(sample.ids).first(static_cast<size_t>(sample.prompt_tokens));
    io::JsonObject line;
    line.set("step", step);
    line.set("prompt", parts_.tokenizer->decode(prompt));
    line.set("text", answer_text(sample, *parts_.tokenizer));
    line.set("tokens", sample.answer_tokens());
    line.set("truncated", sample.truncated);
    text += io::write_json(std::move(line)) + "\n";
  }
  append_text(log_.file(), text);
}

void OnPolicyDistill::add_answer_numbers(report::StepMetrics& metrics) const {
  double own = 0.0, tokens = 0.0, truncated = 0.0;
  for (const PolicySample& sample : step_.samples) {
    if (!is_own_[static_cast<size_t>(sample.group)]) continue;
    own += 1.0;
    tokens += static_cast<double>(sample.answer_tokens());
    truncated += sample.truncated ? 1.0 : 0.0;
  }
  const auto add = [&](const char* name, double value) { metrics.stage.emplace_back(name, value); };
  add("on_policy", own / static_cast<double>(step_.samples.size()));
  if (own > 0.0) {
    add("length/mean", tokens / own);
    add("truncated", truncated / own);
    add("rollout/tokens_per_s", tokens / rollout_s_);
    add("rollout/seconds", rollout_s_);
  }
  add("teacher/seconds", teacher_s_);
}

void OnPolicyDistill::end_step(report::StepMetrics& metrics) {
  metrics.stage = {{"supervised_tokens", static_cast<double>(weights_.targets())},
                   {"sample_loss", weights_.sample_mean()},
                   {"divergence", loss_.mean_divergence()}};
  add_answer_numbers(metrics);
  const bool is_last = metrics.step == config().train.steps;
  add_held_out(before_, is_last ? measure_held_out() : std::vector<report::NamedNumber>(), metrics);
}

}  // namespace fathom::posttrain
