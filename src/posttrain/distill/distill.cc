#include "posttrain/distill/distill.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/clock.h"
#include "posttrain/held_out.h"
#include "train/validation.h"

namespace fathom::posttrain {

Distill::Distill(SftParts parts, TeacherChoice teacher)
    : Sft(std::move(parts)),
      teacher_(std::move(teacher)),
      distill_loss_(config().distill, teacher_.num_ids) {
  stored_.push_back({.samples = &samples(), .first_row = {}});
  for (const auto& set : sets()) stored_.push_back({.samples = set.get(), .first_row = {}});
  io::Hasher hasher;
  for (StoredSet& stored : stored_) {
    const SampleSet& set = stored.samples->set();
    hasher.add(set.size());
    set.add_to(hasher);
    for (i64 i = 0; i < set.size(); ++i) {
      stored.first_row.push_back(num_rows_);
      num_rows_ += set.num_targets(i);
    }
  }
  teacher_.key.samples = io::to_string(hasher.digest());
}

io::Hash128 Distill::fingerprint() const {
  io::Hasher hasher;
  hasher.add(Sft::fingerprint());
  hasher.add(teacher_.key.teacher);
  hasher.add(teacher_.key.top_k);
  hasher.add(fmt::format("{}", teacher_.key.temperature));
  return hasher.digest();
}

std::string Distill::statistics() const {
  return fmt::format("{}teacher {}: {} of {} ids a token, {} tokens, {} bytes in {}\n",
                     Sft::statistics(), teacher_.directory.string(), teacher_.key.top_k,
                     teacher_.num_ids, num_rows_, num_rows_ * (6 * teacher_.key.top_k + 2),
                     teacher_.store.string());
}

bool Distill::fill_store(Ctx& ctx, const train::TrainEvents& events) const {
  constexpr i64 kRowsAFile = 1 << 16;
  constexpr double kUnsavedS = 30.0;  // that a kill costs
  auto lock = lock_teacher_store(teacher_.store, events.stop_requested);
  if (!lock) return false;
  TeacherStoreWriter writer(teacher_.store, teacher_.key, std::move(*lock));
  const i64 begun = writer.stored();
  if (begun >= num_rows_) return true;
  if (begun > 0) {
    events.say(log::Level::kInfo,
               fmt::format("{}: {} of {} tokens are there; asking the teacher for the others",
                           teacher_.store.string(), begun, num_rows_));
  }
  i64 longest = 1;
  for (const StoredSet& stored : stored_)
    longest = std::max(longest, stored.samples->set().longest());
  Teacher teacher(ctx, teacher_, longest);
  i64 row = 0;
  Clock::time_point saved = Clock::now();
  for (const StoredSet& stored : stored_) {
    const SampleSet& set = stored.samples->set();
    for (i64 i = 0; i < set.size(); ++i) {
      const i64 targets = set.num_targets(i);
      if (row + targets <= begun) {
        row += targets;
        continue;
      }
      if (events.stopped()) {
        writer.flush();
        return false;
      }
      teacher.ask(set[i].ids, set[i].supervised, [&](const TeacherRow& of_token) {
        if (row++ >= begun) writer.add(of_token);
      });
      if (writer.pending() >= kRowsAFile || seconds_since(saved) > kUnsavedS) {
        writer.flush();
        saved = Clock::now();
      }
      if (events.progress) events.progress("asking the teacher", row, num_rows_);
    }
  }
  writer.flush();
  return true;
}

void Distill::begin_run(Ctx& ctx, const train::TrainEvents& events) {
  events_ = events;
  if (!fill_store(ctx, events)) return;
  store_ =
      std::make_unique<TeacherStore>(teacher_.store, teacher_.key, num_rows_, teacher_.num_ids);
}

const std::vector<i64>& Distill::rows_of(const StoredSet& set, const data::SequenceBatch& batch) {
  rows_.assign(static_cast<size_t>(batch.num_sequences * batch.seq_len), -1);
  for (i64 r = 0; r < batch.num_sequences; ++r) {
    i64 position = r * batch.seq_len;
    for (const i64 number : set.samples->row(batch.samples[static_cast<size_t>(r)])) {
      const SampleSet::Sample sample = set.samples->set()[number];
      i64 row = set.first_row[static_cast<size_t>(number)];
      for (size_t t = 1; t < sample.ids.size(); ++t, ++position) {
        if (sample.supervised[t] != 0) rows_[static_cast<size_t>(position)] = row++;
      }
      ++position;  // behind the last token nothing is predicted
    }
  }
  return rows_;
}

void Distill::begin_step(Ctx& ctx, const train::StepPlan& plan, model::TrainingModel& model) {
  ctx_ = &ctx;
  model_ = &model;
  FATHOM_CHECK(store_ != nullptr, "a step without begin_run()");
  held_out_.clear();
  if (plan.step == 1) held_out_ = measure_held_out();
  Sft::begin_step(ctx, plan, model);
  distill_loss_.begin_step();
}

void Distill::prepare(const data::SequenceBatch& batch, model::TrainingBatch& input) {
  Sft::prepare(batch, input);
  distill_loss_.begin_batch(loss(), *store_, rows_of(stored_.front(), batch));
  input.objective = &distill_loss_;
}

std::vector<report::NamedNumber> Distill::measure_held_out() {
  std::vector<report::NamedNumber> numbers;
  model_->refresh_weights(*ctx_);
  model::StepStats unused(model_->config());
  data::SequenceBatch batch;
  for (size_t i = 0; i < sets().size(); ++i) {
    const train::ValidationText& set = validation()[i];
    SampleLoss weights(SftLoss::kTokens);
    DistillLoss measured(config().distill, teacher_.num_ids);
    for (i64 row = 0; row < set.num_sequences; ++row) {
      if (events_.stopped()) return {};
      set.read({row, 1}, batch);
      weights.begin_batch(batch);
      measured.begin_batch(weights, *store_, rows_of(stored_[1 + i], batch));
      model::TrainingBatch input = train::as_training_batch(batch, /*isolate_documents=*/true);
      input.objective = &measured;
      model_->forward_only(*ctx_, input, unused);
    }
    numbers.emplace_back(set.name + "/divergence", measured.mean_divergence());
  }
  return numbers;
}

void Distill::end_step(report::StepMetrics& metrics) {
  Sft::end_step(metrics);
  metrics.stage.emplace_back("divergence", distill_loss_.mean_divergence());
  const bool is_last = metrics.step == steps();
  add_held_out(held_out_, is_last ? measure_held_out() : std::vector<report::NamedNumber>(),
               metrics);
}

}  // namespace fathom::posttrain
