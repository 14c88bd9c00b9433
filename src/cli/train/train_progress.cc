#include "cli/train/train_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "cli/output.h"
#include "train/balance.h"

namespace fathom::cli {
namespace {

constexpr auto kTerminalPeriod = std::chrono::milliseconds(100);
constexpr auto kPlainPeriod = std::chrono::seconds(5);

std::string list(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) text += fmt::format(" {:.3f}", value);
  return text;
}

/// What tells most about a stage behind pre-training, of those numbers that it has.
constexpr std::string_view kHeadlines[] = {"reward", "pass_at_1", "divergence"};
/// In the names of those that it measures on held-out sets ("NAME/greedy", "NAME/pass_at_8").
constexpr std::string_view kHeldOut[] = {"/divergence", "/greedy", "/pass_at_"};

std::string stage_numbers(const report::StepMetrics& metrics, auto&& is_shown) {
  std::string text;
  for (const auto& [name, value] : metrics.stage) {
    if (is_shown(std::string_view(name))) text += fmt::format(", {} {:.4f}", name, value);
  }
  return text;
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  const auto total = static_cast<i64>(std::llround(std::max(0.0, seconds)));
  const i64 days = total / 86400, hours = total / 3600 % 24, minutes = total / 60 % 60;
  if (days > 1000) return fmt::format("{} years", days / 365);
  if (days > 0) return fmt::format("{} d {} h", days, hours);
  if (hours > 0) return fmt::format("{} h {} min", hours, minutes);
  if (minutes > 0) return fmt::format("{} min {} s", minutes, total % 60);
  return fmt::format("{} s", total);
}

std::string format_task_values(const report::TaskMetrics& metrics) {
  std::string text;
  for (const auto& [name, value] : metrics.values) {
    const auto error = std::ranges::find(metrics.errors, name, &report::NamedNumber::first);
    text += fmt::format("{}{} {:.4f}", text.empty() ? "" : ", ", name, value);
    if (error != metrics.errors.end()) text += fmt::format(" ± {:.4f}", error->second);
  }
  return text;
}

TrainProgress::TrainProgress(i64 total_steps, i64 total_tokens)
    : total_steps_(total_steps),
      total_tokens_(total_tokens),
      terminal_(isatty(STDERR_FILENO) != 0) {}

TrainProgress::~TrainProgress() {
  if (terminal_ && drawn_) err::write("\n");
}

void TrainProgress::smooth(const report::StepMetrics& metrics) {
  // A skipped step has no loss; a mean over few steps, then an exponential one.
  if (!metrics.skipped.empty()) return;
  const double weight = 1.0 / static_cast<double>(std::min<i64>(++smoothed_steps_, 20));
  const auto mix = [weight](double& mean, double value) { mean += weight * (value - mean); };
  mix(loss_, metrics.loss);
  mix(bits_per_byte_, metrics.bits_per_byte);
  mix(tokens_per_s_, metrics.tokens_per_s);
  mix(peak_frac_, metrics.gemm_peak_frac);
}

std::string TrainProgress::line_of(const report::StepMetrics& metrics) const {
  std::string line = fmt::format("step {}/{}: loss {:.4f}, {:.4f} bits per byte, {:.0f} tokens/s",
                                 metrics.step, total_steps_, loss_, bits_per_byte_, tokens_per_s_);
  if (peak_frac_ > 0.0) line += fmt::format(" ({:.0f} % of peak)", 100.0 * peak_frac_);
  const auto left = static_cast<double>(total_tokens_ - metrics.tokens);
  line += fmt::format(", {} left", format_duration(left / tokens_per_s_));
  if (!metrics.load.empty()) {
    line += fmt::format(", MaxVio {:.2f}", train::mean_max_violation(metrics.load));
  }
  line += stage_numbers(metrics, [](std::string_view name) {
    return std::ranges::find(kHeadlines, name) != std::end(kHeadlines);
  });
  return line + fmt::format(", gradient {:.2f}, lr {:.2e}", metrics.grad_norm, metrics.lr);
}

void TrainProgress::held_out(const report::StepMetrics& metrics) {
  const std::string text = stage_numbers(metrics, [](std::string_view name) {
    return std::ranges::any_of(kHeldOut,
                               [&](std::string_view part) { return name.find(part) != name.npos; });
  });
  if (text.empty()) return;
  message(log::Level::kInfo, fmt::format("step {}: {}", metrics.step, text.substr(2)));
}

void TrainProgress::step(const report::StepMetrics& metrics) {
  smooth(metrics);
  if (!log::enabled(log::Level::kInfo)) return;
  held_out(metrics);
  const Clock::time_point now = Clock::now();
  const auto period = terminal_ ? Clock::duration(kTerminalPeriod) : Clock::duration(kPlainPeriod);
  const bool edge = metrics.step == 1 || metrics.step == total_steps_;
  if (!edge && now - last_drawn_ < period) return;
  last_drawn_ = now;
  if (terminal_) {
    err::print("\r\033[K{}", line_of(metrics));
    drawn_ = true;
  } else {
    err::print("{}\n", line_of(metrics));
  }
}

void TrainProgress::clear_line() {
  if (!terminal_ || !drawn_) return;
  err::write("\r\033[K");
  drawn_ = false;
}

void TrainProgress::validation(const report::ValidationMetrics& metrics) {
  std::string text = fmt::format("step {}: {}: loss {:.4f}, {:.4f} bits per byte", metrics.step,
                                 metrics.set, metrics.loss, metrics.bits_per_byte);
  if (!metrics.mtp_loss.empty()) {
    text += fmt::format(", MTP loss{}, accepted{}", list(metrics.mtp_loss),
                        list(metrics.mtp_acceptance));
  }
  message(log::Level::kInfo, text);
}

void TrainProgress::task(const report::TaskMetrics& metrics) {
  message(log::Level::kInfo,
          fmt::format("step {}: {}: {}", metrics.step, metrics.task, format_task_values(metrics)));
}

void TrainProgress::message(log::Level level, const std::string& text) {
  if (!log::enabled(level)) return;
  clear_line();
  log::write(level, text);
}

}  // namespace fathom::cli
