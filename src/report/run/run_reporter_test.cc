#include "report/run/run_reporter.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <stdexcept>

#include "base/error.h"
#include "io/mapped_file.h"
#include "report/metrics/metrics_log.h"
#include "report/metrics/tensorboard.h"
#include "report/metrics/test_run.h"
#include "report/run/report_page.h"
#include "report/run/run_history.h"
#include "testing/temp_dir.h"

namespace fathom::report {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr i64 kLast = 12;

/// Steps first..last with a validation of two sets after every fourth.
void train(RunReporter& reporter, i64 first, i64 last) {
  for (i64 step = first; step <= last; ++step) {
    reporter.step(test_step(step));
    if (step % 4 != 0) continue;
    reporter.validation(test_validation(step, "web", 0.1));
    reporter.validation(test_validation(step, "code", 0.2));
  }
}

std::string text_of(const fs::path& path) { return io::read_text(path, i64{1} << 30).value(); }

/// The events without their times.
std::vector<std::string> events_of(const fs::path& directory) {
  const std::string bytes = text_of(find_event_file(directory, test_info().started));
  std::vector<std::string> events;
  i64 size_bytes = 0;
  for (std::string_view rest = bytes; !rest.empty();) {
    auto event = decode_event(rest, size_bytes);
    if (!event) {
      ADD_FAILURE() << event.error().message();
      break;
    }
    event->wall_time = 0.0;
    events.push_back(encode_event(*event));
    rest.remove_prefix(static_cast<size_t>(size_bytes));
  }
  return events;
}

/// report.html as it would have been made at the same moment from metrics.jsonl.
std::string rebuilt(const fs::path& directory, const std::string& page, bool alive) {
  const std::string mark = "data-generated=\"";
  const double generated = std::stod(page.substr(page.find(mark) + mark.size()));
  return report_page(read_run(directory)->history, {generated, alive, 15.0});
}

TEST(RunReporter, AResumedRunLeavesTheFilesOfAnUninterruptedOne) {
  const testing::TempDir folder;
  {
    RunReporter whole(folder / "whole", test_info());
    train(whole, 1, kLast);
    whole.finish({kLast, RunState::kFinished, ""});
  }
  for (const i64 kept : {0, 3, 4, 8, 10}) {
    const fs::path directory = folder / ("resumed" + std::to_string(kept));
    {
      RunReporter killed(directory, test_info());
      train(killed, 1, 10);
      killed.finish({10, RunState::kInterrupted, "SIGTERM"});
    }
    // What a crash in the middle of a write leaves.
    std::ofstream(directory / "metrics.jsonl", std::ios::app) << R"({"kind":"step","st)";
    std::ofstream(find_event_file(directory, 0), std::ios::app) << std::string("\x30\0\0\0", 4);
    RunInfo later = test_info();
    later.started += 3600;
    RunReporter resumed(directory, later, {.last_step_kept = kept});
    train(resumed, kept + 1, kLast);
    resumed.finish({kLast, RunState::kFinished, ""});
    if (kept > 0) {  // from nothing on it is a new run, with its own time of start
      EXPECT_EQ(text_of(directory / "metrics.jsonl"), text_of(folder / "whole" / "metrics.jsonl"));
    }
    EXPECT_EQ(events_of(directory), events_of(folder / "whole")) << kept;
    EXPECT_EQ(std::distance(fs::directory_iterator(directory), {}), 3) << "stray files";
  }
}

TEST(RunReporter, TheReportIsWhatMetricsRebuild) {
  const testing::TempDir folder;
  RunReporter reporter(folder / "run", test_info());
  train(reporter, 1, kLast);
  reporter.flush();
  const std::string running = text_of(folder / "run" / "report.html");
  EXPECT_THAT(running, HasSubstr("class=\"badge running\""));
  EXPECT_EQ(running, rebuilt(folder / "run", running, /*alive=*/true));

  reporter.finish({kLast, RunState::kFailed, "12 steps <in> a row"});
  const std::string failed = text_of(folder / "run" / "report.html");
  EXPECT_THAT(failed, HasSubstr("class=\"badge failed\""));
  EXPECT_THAT(failed, HasSubstr("12 steps &lt;in&gt; a row"));
  EXPECT_EQ(failed, rebuilt(folder / "run", failed, /*alive=*/false));
}

TEST(RunReporter, AnExceptionThatPassesByIsAFailedRun) {
  const testing::TempDir folder;
  try {
    RunReporter reporter(folder / "run", test_info());
    train(reporter, 1, 3);
    throw std::runtime_error("a bug");
  } catch (const std::runtime_error&) {
  }
  const RunHistory history = read_run(folder / "run")->history;
  ASSERT_TRUE(history.end());
  EXPECT_EQ(history.end()->state, RunState::kFailed);
  EXPECT_EQ(history.end()->step, 3);
}

TEST(RunReporter, EveryLineIsThereAtOnceAndThePageWaitsForItsTime) {
  const testing::TempDir folder;
  RunReporter reporter(folder / "run", test_info(), {.report_interval_s = 3600});
  const std::string before = text_of(folder / "run" / "report.html");
  EXPECT_THAT(before, HasSubstr("waiting for the first step"));
  train(reporter, 1, 1);
  EXPECT_EQ(text_of(folder / "run" / "metrics.jsonl"),
            metrics_line(test_info()) + "\n" + metrics_line(test_step(1)) + "\n");
  EXPECT_EQ(text_of(folder / "run" / "report.html"), before);
  reporter.flush();
  EXPECT_THAT(text_of(folder / "run" / "report.html"), Not(HasSubstr("waiting for the first")));
}

TEST(RunReporter, ANewRunDoesNotOverwriteAnother) {
  const testing::TempDir folder;
  { RunReporter first(folder / "run", test_info()); }
  const std::string before = text_of(folder / "run" / "metrics.jsonl");
  EXPECT_THROW(RunReporter(folder / "run", test_info()), Error);
  EXPECT_EQ(text_of(folder / "run" / "metrics.jsonl"), before);
}

TEST(RunReporter, AChangedConfigIsRecordedWhereItBegins) {
  const testing::TempDir folder;
  {
    RunReporter first(folder / "run", test_info());
    train(first, 1, 2);
  }
  RunInfo changed = test_info();
  changed.total_steps = 500;
  changed.started += 60;
  { RunReporter again(folder / "run", changed, {.last_step_kept = 2}); }
  const RunHistory history = read_run(folder / "run")->history;
  EXPECT_EQ(history.info().total_steps, 500);
  EXPECT_EQ(history.info().started, test_info().started);
  EXPECT_EQ(history.last_step()->step, 2);
}

TEST(RunReporter, ManyExpertsAreRecordedEverySoManySteps) {
  const testing::TempDir folder;
  RunReporter reporter(folder / "run", test_info(), {.report_interval_s = 3600});
  for (i64 step = 1; step <= 8; ++step) reporter.step(test_step(step, 8, 128));  // 1024 shares
  std::vector<i64> recorded;
  ASSERT_TRUE(scan_metrics(folder / "run" / "metrics.jsonl", std::nullopt,
                           [&](const MetricsRecord& record) {
                             const auto* step = std::get_if<StepMetrics>(&record);
                             if (step == nullptr) return;
                             EXPECT_EQ(step->load.size(), 8u);
                             EXPECT_GT(step->load[0].max_vio, 0.0);
                             if (!step->load[0].share.empty()) recorded.push_back(step->step);
                           }));
  EXPECT_EQ(recorded, (std::vector<i64>{4, 8}));
}

/// No file of this process may grow beyond so many bytes: what a full disk is to write().
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    previous_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &previous_);
    rlimit limited = previous_;
    limited.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &previous_);
    std::signal(SIGXFSZ, previous_handler_);
  }

 private:
  rlimit previous_ = {};
  void (*previous_handler_)(int) = nullptr;
};

size_t count(const std::string& text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(RunReporter, AFullDiskIsReportedOnceAndNothingIsLost) {
  const testing::TempDir folder;
  RunReporter reporter(folder / "run", test_info(), {.report_interval_s = 3600});
  train(reporter, 1, 2);
  reporter.flush();
  const std::string page = text_of(folder / "run" / "report.html");
  ::testing::internal::CaptureStderr();
  {
    const FileSizeLimit limit(fs::file_size(folder / "run" / "metrics.jsonl") + 100);
    train(reporter, 3, 10);
    reporter.flush();
    reporter.flush();
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(count(said, "metrics.jsonl: cannot write"), 1u) << said;
  EXPECT_EQ(count(said, "report.html: cannot write"), 1u) << said;
  EXPECT_EQ(text_of(folder / "run" / "report.html"), page) << "the old page stays";
  EXPECT_TRUE(read_run(folder / "run").has_value());
  EXPECT_EQ(read_run(folder / "run")->damaged_lines, 0);

  train(reporter, 11, kLast);
  reporter.finish({kLast, RunState::kFinished, ""});
  RunReporter whole(folder / "whole", test_info());
  train(whole, 1, kLast);
  whole.finish({kLast, RunState::kFinished, ""});
  EXPECT_EQ(text_of(folder / "run" / "metrics.jsonl"), text_of(folder / "whole" / "metrics.jsonl"));
  EXPECT_EQ(events_of(folder / "run"), events_of(folder / "whole"));
}

}  // namespace
}  // namespace fathom::report
