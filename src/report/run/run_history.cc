#include "report/run/run_history.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "report/metrics/metrics_log.h"

namespace fathom::report {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMaxSkipped = 200;

}  // namespace

const std::array<StepCurve, 9> kStepCurves = {{
    {"loss", [](const StepMetrics& m) { return m.loss; }},
    {"bits_per_byte", [](const StepMetrics& m) { return m.bits_per_byte; }},
    {"lr", [](const StepMetrics& m) { return m.lr; }},
    {"grad_norm", [](const StepMetrics& m) { return m.grad_norm; }},
    {"tokens_per_s", [](const StepMetrics& m) { return m.tokens_per_s; }},
    // 0 means that it was not measured.
    {"gemm_peak_frac",
     [](const StepMetrics& m) { return m.gemm_peak_frac > 0 ? m.gemm_peak_frac : kNan; }},
    {"balance_loss", [](const StepMetrics& m) { return m.balance_loss; }},
    {"bias_update_speed", [](const StepMetrics& m) { return m.bias_update_speed; }},
    {"dropped", [](const StepMetrics& m) { return static_cast<double>(m.dropped); }},
}};

const std::array<LayerCurve, 5> kLayerCurves = {{
    {"max_vio", [](const LayerLoad& l) { return l.max_vio; }},
    {"entropy", [](const LayerLoad& l) { return l.entropy; }},
    {"dead_experts", [](const LayerLoad& l) { return static_cast<double>(l.dead_experts); }},
    {"bias_min", [](const LayerLoad& l) { return l.bias_min; }},
    {"bias_max", [](const LayerLoad& l) { return l.bias_max; }},
}};

void RunHistory::add(const MetricsRecord& record) {
  if (const auto* step = std::get_if<StepMetrics>(&record)) return add_step(*step);
  if (const auto* set = std::get_if<ValidationMetrics>(&record)) return add_validation(*set);
  if (const auto* task = std::get_if<TaskMetrics>(&record)) return add_task(*task);
  if (const auto* info = std::get_if<RunInfo>(&record)) info_ = *info;
  if (const auto* end = std::get_if<RunEnd>(&record)) end_ = *end;
}

RunPosition RunHistory::position() const {
  if (!last_step_) return {};
  return {last_step_->step, last_step_->tokens, last_step_->seconds};
}

void RunHistory::add_step(const StepMetrics& step) {
  last_step_ = step;
  last_step_->load.clear();
  end_.reset();
  if (!step.skipped.empty()) {
    ++num_skipped_;
    if (skipped_.size() == kMaxSkipped) skipped_.erase(skipped_.begin());
    skipped_.push_back({step.step, step.skipped});
  }
  std::vector<double> row;
  row.reserve(kStepCurves.size() + step.mtp_loss.size());
  for (const StepCurve& curve : kStepCurves) row.push_back(curve.value(step));
  row.insert(row.end(), step.mtp_loss.begin(), step.mtp_loss.end());
  steps_.add(position(), row);
  if (!step.load.empty()) add_load(step);
  if (!step.stage.empty()) add_stage(step);
}

void RunHistory::add_stage(const StepMetrics& step) {
  std::vector<double> numbers(stage_.names.size(), kNan);
  for (const auto& [name, number] : step.stage) {
    const auto at = std::find(stage_.names.begin(), stage_.names.end(), name);
    const auto column = static_cast<size_t>(at - stage_.names.begin());
    if (at == stage_.names.end()) {
      stage_.names.push_back(name);
      numbers.push_back(kNan);
    }
    numbers[column] = number;
  }
  stage_.numbers.add(position(), numbers);
}

void RunHistory::add_load(const StepMetrics& step) {
  std::vector<double> numbers;
  for (const LayerLoad& layer : step.load) {
    const auto at = std::find(load_.layers.begin(), load_.layers.end(), layer.layer);
    const auto first = static_cast<size_t>(at - load_.layers.begin()) * kLayerCurves.size();
    if (at == load_.layers.end()) load_.layers.push_back(layer.layer);
    numbers.resize(load_.layers.size() * kLayerCurves.size(), kNan);
    for (size_t c = 0; c < kLayerCurves.size(); ++c) {
      numbers[first + c] = kLayerCurves[c].value(layer);
    }
  }
  if (load_.numbers.buckets().empty()) {
    load_.numbers = BucketedRows(bucket_capacity(numbers.size(), 150'000, 64, 1024));
  }
  load_.numbers.add(position(), numbers);
  if (!load_.shares.add(position(), step.load)) return;
  load_.latest = step.load;
  load_.latest_step = step.step;
}

void RunHistory::add_validation(const ValidationMetrics& validation) {
  auto set = std::find_if(sets_.begin(), sets_.end(),
                          [&](const auto& known) { return known.name == validation.set; });
  if (set == sets_.end()) {
    set = sets_.insert(set, SetHistory{.name = validation.set, .best_loss = kNan});
  }
  RunPosition at = position();
  at.step = validation.step;
  set->loss.add(at, std::array{validation.loss, validation.bits_per_byte});
  if (!validation.mtp_loss.empty()) set->mtp_loss.add(at, validation.mtp_loss);
  if (!validation.mtp_acceptance.empty()) set->mtp_acceptance.add(at, validation.mtp_acceptance);
  set->shares.add(at, validation.load);
  if (std::isfinite(validation.loss) && !(validation.loss >= set->best_loss)) {
    set->best_loss = validation.loss;
    set->best_bits_per_byte = validation.bits_per_byte;
    set->best_step = validation.step;
  }
  set->latest = validation;

  if (!same_step_.empty() && same_step_.front().step != validation.step) {
    add_specialisation(specialisation_);
    same_step_.clear();
  }
  same_step_at_ = at;
  same_step_.push_back(validation);
  if (specialised_layers_.empty()) {
    for (const LayerLoad& layer : validation.load) specialised_layers_.push_back(layer.layer);
  }
}

void RunHistory::add_task(const TaskMetrics& task) {
  auto known = std::ranges::find(tasks_, task.task, &TaskHistory::name);
  if (known == tasks_.end()) known = tasks_.insert(known, TaskHistory{.name = task.task});
  const auto row_of = [&](const std::vector<NamedNumber>& numbers) {
    std::vector<double> row(known->metrics.size(), kNan);
    for (const auto& [name, number] : numbers) {
      const auto at = std::ranges::find(known->metrics, name);
      const auto column = static_cast<size_t>(at - known->metrics.begin());
      if (at == known->metrics.end()) {
        known->metrics.push_back(name);
        row.push_back(kNan);
      }
      row[column] = number;
    }
    return row;
  };
  RunPosition at = position();
  at.step = task.step;
  known->values.add(at, row_of(task.values));
  known->errors.add(at, row_of(task.errors));
  known->latest = task;
}

i64 RunHistory::evaluated_step() const {
  i64 last = -1;
  for (const TaskHistory& task : tasks_) last = std::max(last, task.latest.step);
  return last;
}

void RunHistory::add_specialisation(BucketedRows& rows) const {
  std::vector<double> row;
  for (const std::string& name : specialised_layers_) {
    std::vector<const std::vector<double>*> shares;
    for (const ValidationMetrics& set : same_step_) {
      for (const LayerLoad& layer : set.load) {
        if (layer.layer == name && !layer.share.empty()) shares.push_back(&layer.share);
      }
    }
    const bool comparable =
        shares.size() >= 2 && std::all_of(shares.begin(), shares.end(), [&](const auto* share) {
          return share->size() == shares.front()->size();
        });
    row.push_back(comparable ? jensen_shannon_bits(shares) : kNan);
  }
  if (std::none_of(row.begin(), row.end(), [](double bits) { return std::isfinite(bits); })) return;
  rows.add(same_step_at_, row);
}

BucketedRows RunHistory::specialisation() const {
  BucketedRows rows = specialisation_;
  if (!same_step_.empty()) add_specialisation(rows);
  return rows;
}

double RunHistory::recent_mean(size_t curve, i64 steps) const {
  BucketedRows::Cell all;
  i64 rows = 0;
  for (size_t i = steps_.buckets().size(); i-- > 0 && rows < steps;) {
    all.merge(BucketedRows::cell(steps_.buckets()[i], curve));
    rows += steps_.buckets()[i].rows;
  }
  return all.mean();
}

Result<ReadRun> read_run(const std::filesystem::path& path) {
  const std::filesystem::path file =
      std::filesystem::is_directory(path) ? path / "metrics.jsonl" : path;
  ReadRun run;
  auto scan = scan_metrics(file, std::nullopt,
                           [&run](const MetricsRecord& record) { run.history.add(record); });
  if (!scan) return tl::unexpected(std::move(scan.error()));
  run.damaged_lines = scan->damaged_lines;
  run.first_damage = scan->first_damage;
  return run;
}

}  // namespace fathom::report
