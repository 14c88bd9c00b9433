#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/output.h"
#include "io/files/atomic_file.h"
#include "io/files/output_path.h"
#include "io/files/temporary_files.h"
#include "io/json.h"
#include "report/run/comparison_page.h"
#include "report/run/loss_gap.h"
#include "report/run/report_page.h"
#include "report/run/run_summary.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The directory of a run, whether it or its metrics.jsonl was named.
fs::path run_directory(const fs::path& path) {
  fs::path directory = fs::is_directory(path) ? path : path.parent_path();
  if (directory.empty()) directory = ".";
  return directory;
}

report::RunHistory read_history(const fs::path& path) {
  report::ReadRun run = value_or_throw(report::read_run(path));
  if (run.damaged_lines > 0) {
    log::warn("{} ({} such lines, passed over)", run.first_damage, run.damaged_lines);
  }
  if (report::summarise(run.history).step == 0) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("{}: no step is recorded there, so there is nothing to report", path.string()));
  }
  return std::move(run.history);
}

/// Names of directories if they tell the runs apart, else the paths as given.
std::vector<std::string> labels_of(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  for (const std::string& path : paths) {
    names.push_back(fs::weakly_canonical(run_directory(path)).filename().string());
  }
  return std::set(names.begin(), names.end()).size() == names.size() ? names : paths;
}

io::JsonValue number(double value) {
  return std::isfinite(value) ? io::JsonValue(value) : io::JsonValue();
}

io::JsonObject to_json(const report::LossGap& gap) {
  io::JsonObject object;
  object.set("mean", number(gap.mean));
  object.set("largest", number(gap.largest));
  object.set("last", number(gap.last));
  object.set("last_step", gap.last_step);
  return object;
}

io::JsonObject to_json(const std::string& label, const report::RunHistory& history) {
  const report::RunSummary summary = report::summarise(history);
  io::JsonObject run, sets;
  run.set("run", label);
  run.set("title", history.info().title);
  run.set("state",
          history.end() ? io::JsonValue(report::to_string(history.end()->state)) : io::JsonValue());
  run.set("step", summary.step);
  run.set("tokens", summary.tokens);
  run.set("seconds", number(summary.seconds));
  run.set("mean_over_steps", summary.recent_steps);
  run.set("loss", number(summary.loss));
  run.set("bits_per_byte", number(summary.bits_per_byte));
  run.set("grad_norm", number(summary.grad_norm));
  run.set("tokens_per_s", number(summary.tokens_per_s));
  run.set("gemm_peak_frac", number(summary.gemm_peak_frac));
  run.set("mean_max_vio", number(summary.mean_max_vio));
  run.set("dead_experts", summary.dead_experts);
  run.set("skipped_steps", history.num_skipped());
  for (const report::SetHistory& set : history.sets()) {
    io::JsonObject entry;
    entry.set("step", set.latest.step);
    entry.set("loss", number(set.latest.loss));
    entry.set("bits_per_byte", number(set.latest.bits_per_byte));
    entry.set("best_loss", number(set.best_loss));
    entry.set("best_step", set.best_step);
    io::JsonArray acceptance;
    for (const double share : set.latest.mtp_acceptance) acceptance.push_back(number(share));
    entry.set("mtp_acceptance", std::move(acceptance));
    sets.set(set.name, std::move(entry));
  }
  run.set("validation", std::move(sets));
  return run;
}

void print_run(const std::string& label, const report::RunHistory& history) {
  const report::RunSummary summary = report::summarise(history);
  out::print("{}: step {}, loss {:.4f}, {:.4f} bits a byte over the last {} steps\n", label,
             summary.step, summary.loss, summary.bits_per_byte, summary.recent_steps);
  for (const report::SetHistory& set : history.sets()) {
    out::print("  {:<16} loss {:.4f}, {:.4f} bits a byte; best {:.4f} at step {}\n", set.name,
               set.latest.loss, set.latest.bits_per_byte, set.best_loss, set.best_step);
  }
}

void print_gap(const report::ComparedRun& base, const report::ComparedRun& run) {
  const report::LossGap gap = report::loss_gap(base.history, run.history);
  if (!std::isfinite(gap.mean)) return;
  out::print("  smoothed loss against {}: {:+.3f} % in the mean, {:+.3f} % at most\n", base.label,
             100 * gap.mean, 100 * gap.largest);
}

class Report : public Command {
 public:
  Arguments add(Arguments& app) override {
    Arguments command = app.add_command("report", "Draw training runs as a page");
    command.add_option("runs", runs_, "Run directories, or metrics.jsonl files")
        .required()
        .type_name("RUN");
    command
        .add_option("-o,--out", out_,
                    "The page; default: report.html in the run's directory, comparison.html here "
                    "for several runs")
        .type_name("FILE");
    command.add_flag("--json", json_, "The latest numbers as one JSON object");
    command.footer(
        "Makes the page anew from metrics.jsonl alone; training keeps its own up to date. Several\n"
        "runs make one page that lays their curves over each other, the first as the reference: "
        "the\n"
        "gap to it is that of the loss smoothed by 0.9 a step, over the second half of the steps.\n"
        "Example: fathom report runs/bf16 runs/fp8 --out fp8.html");
    return command;
  }

  int run() override {
    if (!out_.empty()) io::require_output_file(out_);
    const std::vector<std::string> labels = labels_of(runs_);
    std::vector<report::ComparedRun> runs;
    for (size_t i = 0; i < runs_.size(); ++i) runs.push_back({labels[i], read_history(runs_[i])});
    const fs::path out = write_page(runs);
    if (json_) {
      io::JsonArray array;
      for (const auto& run : runs) {
        io::JsonObject entry = to_json(run.label, run.history);
        if (&run != &runs.front()) {
          entry.set("loss_gap", to_json(report::loss_gap(runs.front().history, run.history)));
        }
        array.emplace_back(std::move(entry));
      }
      io::JsonObject object;
      object.set("page", out.string());
      object.set("runs", std::move(array));
      out::print("{}\n", io::write_json(object));
    } else {
      for (const auto& run : runs) {
        print_run(run.label, run.history);
        if (&run != &runs.front()) print_gap(runs.front(), run);
      }
      out::print("page: {}\n", out.string());
    }
    return kExitOk;
  }

 private:
  fs::path write_page(const std::vector<report::ComparedRun>& runs) const {
    const bool single = runs.size() == 1;
    fs::path out = out_;
    if (out_.empty()) out = single ? run_directory(runs_[0]) / "report.html" : "comparison.html";
    const double now = unix_time();
    io::remove_stale_temporaries(out.parent_path(), out.filename().native());
    io::write_file_atomically(
        out, single ? report::report_page(runs[0].history,
                                          {.generated = now, .directory = run_directory(runs_[0])})
                    : report::comparison_page(runs, now));
    return out;
  }

  std::vector<std::string> runs_;
  std::string out_;
  bool json_ = false;
};

}  // namespace

std::unique_ptr<Command> make_report() { return std::make_unique<Report>(); }

}  // namespace fathom::cli
