#include "report/run/run_reporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "io/files/append_file.h"
#include "io/files/atomic_file.h"
#include "report/metrics/metrics_log.h"
#include "report/metrics/tensorboard.h"
#include "report/run/report_page.h"

namespace fathom::report {
namespace {

namespace fs = std::filesystem;

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Runs what may meet a full disk; tells of the first failure in a row and of its end.
class Tolerance {
 public:
  explicit Tolerance(std::string what) : what_(std::move(what)) {}

  bool attempt(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      if (!std::exchange(failing_, true)) {
        log::error("{}; training goes on and tries again", error.message());
      }
      return false;
    }
    if (std::exchange(failing_, false)) log::info("{} can be written again", what_);
    return true;
  }

 private:
  std::string what_;
  bool failing_ = false;
};

/// A log whose records wait in memory while the disk refuses them.
class PatientLog {
 public:
  explicit PatientLog(const fs::path& path) : file_(path), tolerance_(path.string()) {}

  io::AppendFile& file() { return file_; }
  void append(std::string_view record) {
    waiting_ += record;
    if (tolerance_.attempt([this] { file_.append(waiting_); })) {
      waiting_.clear();
    } else if (waiting_.size() > kMaxWaitingBytes) {
      log::error("{}: {} of records are given up", file_.path().string(),
                 format_bytes(static_cast<i64>(waiting_.size())));
      waiting_.clear();
    }
  }
  void flush() {
    if (!waiting_.empty()) append({});
    if (waiting_.empty()) tolerance_.attempt([this] { file_.flush(); });
  }

 private:
  static constexpr size_t kMaxWaitingBytes = size_t{16} << 20;
  io::AppendFile file_;
  Tolerance tolerance_;
  std::string waiting_;
};

bool same_run(const RunInfo& a, const RunInfo& b) {
  return a.title == b.title && a.config == b.config && a.total_steps == b.total_steps &&
         a.total_tokens == b.total_tokens;
}

/// How many steps apart the experts' shares are recorded, so that metrics.jsonl takes at most
/// about 256 of them a step.
i64 shares_interval(const StepMetrics& metrics) {
  constexpr i64 kSharesPerStep = 256;
  i64 shares = 0;
  for (const LayerLoad& layer : metrics.load) shares += static_cast<i64>(layer.share.size());
  return std::max<i64>(1, (shares + kSharesPerStep - 1) / kSharesPerStep);
}

fs::path prepare_metrics_path(const fs::path& directory, bool resumed) {
  fs::create_directories(directory);
  fs::path path = directory / "metrics.jsonl";
  if (!resumed && fs::exists(path) && fs::file_size(path) > 0) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: belongs to an earlier run; resume it, or choose another directory",
                            path.string()));
  }
  return path;
}

}  // namespace

struct RunReporter::State {
  State(fs::path to, RunInfo info, ReporterOptions given);

  void record(const MetricsRecord& metrics) {
    history.add(metrics);
    metrics_log.append(metrics_line(metrics) + "\n");
  }
  void events(i64 step, std::vector<EventScalar> scalars) {
    event_log.append(encode_event({unix_time(), step, "", std::move(scalars)}));
  }
  void write_report(bool alive);
  void write_report_if_due() {
    if (Clock::now() >= report_due) write_report(/*alive=*/true);
  }

  using Clock = std::chrono::steady_clock;
  const fs::path directory;
  const ReporterOptions options;
  RunHistory history;
  PatientLog metrics_log;
  PatientLog event_log;
  Tolerance report_tolerance{"report.html"};
  Clock::time_point report_due;
  const int exceptions = std::uncaught_exceptions();  // in flight when the run began
  bool finished = false;

 private:
  void cut_metrics(RunInfo info);
  void cut_events();
};

RunReporter::State::State(fs::path to, RunInfo info, ReporterOptions given)
    : directory(std::move(to)),
      options(given),
      metrics_log(prepare_metrics_path(directory, options.last_step_kept.has_value())),
      event_log(options.last_step_kept ? find_event_file(directory, info.started)
                                       : new_event_file(directory, info.started)) {
  cut_metrics(std::move(info));
  cut_events();
  write_report(/*alive=*/true);
}

void RunReporter::State::cut_metrics(RunInfo info) {
  const fs::path& path = metrics_log.file().path();
  const MetricsScan scan =
      value_or_throw(scan_metrics(path, options.last_step_kept.value_or(0),
                                  [this](const MetricsRecord& record) { history.add(record); }));
  if (scan.damaged_lines > 0) {
    log::warn("{} ({} such lines, left as they are)", scan.first_damage, scan.damaged_lines);
  }
  metrics_log.file().truncate(scan.bytes_kept);
  if (scan.bytes_kept == 0) return record(info);
  // Again only if it says something new, so that resuming leaves no trace otherwise.
  info.started = history.info().started;
  if (!same_run(info, history.info())) record(info);
}

void RunReporter::State::cut_events() {
  io::AppendFile& file = event_log.file();
  const i64 kept = options.last_step_kept
                       ? value_or_throw(event_bytes_kept(file.path(), *options.last_step_kept))
                       : 0;
  file.truncate(kept);
  if (kept == 0) event_log.append(encode_event({unix_time(), 0, "brain.Event:2", {}}));
}

void RunReporter::State::write_report(bool alive) {
  const Clock::time_point begin = Clock::now();
  report_tolerance.attempt([&] {
    const PageOptions page = {unix_time(), alive, options.report_interval_s, directory};
    io::write_file_atomically(directory / "report.html", report_page(history, page));
  });
  const std::chrono::duration<double> cost = Clock::now() - begin;
  const double wait_s = std::max(options.report_interval_s, 50.0 * cost.count());
  report_due = Clock::now() +
               std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(wait_s));
}

RunReporter::RunReporter(fs::path directory, RunInfo info, ReporterOptions options)
    : state_(std::make_unique<State>(std::move(directory), std::move(info), options)) {}

RunReporter::~RunReporter() {
  if (state_->finished) return;
  try {
    if (std::uncaught_exceptions() > state_->exceptions) {
      const auto& last = state_->history.last_step();
      finish({last ? last->step : 0, RunState::kFailed, "stopped by an exception"});
    } else {
      flush();
    }
  } catch (...) {  // a destructor must not throw, and nobody is left to tell
  }
}

void RunReporter::step(const StepMetrics& metrics) {
  StepMetrics kept = metrics;
  if (metrics.step % shares_interval(metrics) != 0) {
    for (LayerLoad& layer : kept.load) layer.share.clear();
  }
  state_->record(kept);
  state_->events(metrics.step, event_scalars(metrics));
  state_->write_report_if_due();
}

void RunReporter::validation(const ValidationMetrics& metrics) {
  state_->record(metrics);
  state_->events(metrics.step, event_scalars(metrics));
  state_->write_report_if_due();
}

void RunReporter::tasks(std::span<const TaskMetrics> all) {
  for (const TaskMetrics& metrics : all) {
    state_->record(metrics);
    state_->events(metrics.step, event_scalars(metrics));
  }
  state_->write_report_if_due();
}

i64 RunReporter::evaluated_step() const { return state_->history.evaluated_step(); }

void RunReporter::flush() {
  state_->metrics_log.flush();
  state_->event_log.flush();
  state_->write_report(/*alive=*/!state_->finished);
}

void RunReporter::finish(const RunEnd& end) {
  state_->record(end);
  state_->finished = true;
  flush();
}

}  // namespace fathom::report
