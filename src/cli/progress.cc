#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/output.h"

namespace fathom::cli {
namespace {

constexpr auto kTerminalPeriod = std::chrono::milliseconds(100);
constexpr auto kPlainPeriod = std::chrono::seconds(5);

}  // namespace

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (terminal_ && drawn_) err::write("\n");
}

void ProgressLine::update(std::string_view what, i64 done, i64 total, std::string_view detail) {
  if (!log::enabled(log::Level::kInfo)) return;
  const Clock::time_point now = Clock::now();
  const bool new_phase = what != what_;
  if (new_phase) {
    if (terminal_ && drawn_) err::write("\n");
    what_ = what;
    started_ = now;
    drawn_ = false;
  }
  const auto period = terminal_ ? Clock::duration(kTerminalPeriod) : Clock::duration(kPlainPeriod);
  const bool last = done >= total;
  if (!last && drawn_ && now - last_ < period) return;
  if (!new_phase && !terminal_ && !last && now - last_ < period) return;
  last_ = now;
  drawn_ = true;
  const double share =
      total > 0 ? 100.0 * static_cast<double>(done) / static_cast<double>(total) : 100.0;
  const double elapsed = std::chrono::duration<double>(now - started_).count();
  std::string line = fmt::format("{}: {:.0f} %", what, share);
  if (done > 0 && !last) {
    line += fmt::format(", {:.0f} s left",
                        elapsed * static_cast<double>(total - done) / static_cast<double>(done));
  } else if (last) {
    line += fmt::format(", {:.1f} s", elapsed);
  }
  if (!detail.empty()) line += fmt::format(", {}", detail);
  if (terminal_) {
    err::print("\r\033[K{}", line);
  } else {
    err::print("{}\n", line);
  }
}

}  // namespace fathom::cli
