#include "cli/bench/bench_text.h"

#include <fmt/format.h>

#include <string>

#include "cli/output.h"

namespace fathom::cli {

using engine::BesidePromptTiming;
using engine::DraftTiming;
using engine::Timing;

namespace {

void print_row(const Timing& t, const engine::MachineSpeed& machine) {
  const double tokens = static_cast<double>(t.tokens);
  std::string parts;
  double rest = t.mean_s;
  for (const double part : t.part_s) {
    parts += fmt::format("{:.1f}% / ", 100 * part / t.mean_s);
    rest -= part;
  }
  const std::string rate = fmt::format("{:.1f} ({:.1f})", tokens / t.best_s, tokens / t.median_s);
  out::print("{:>8} {:>6} {:>8} {:>18} {:>9.1f} {:>5.0f}% {:>8.1f} {:>5.0f}%   {}{:.1f}%\n", t.what,
             t.tokens, t.context, rate, t.bytes / tokens / 1e6,
             100 * t.bytes / t.best_s / machine.read_bytes_per_s, t.operations / t.best_s / 1e9,
             100 * t.operations / t.best_s / machine.bf16_gemm, parts, 100 * rest / t.mean_s);
}

}  // namespace

void print_timings(const std::vector<Timing>& timings, const engine::MachineSpeed& machine) {
  out::print("{:>8} {:>6} {:>8} {:>18} {:>9} {:>6} {:>8} {:>6}   {}\n", "", "rows", "context",
             "tokens/s", "MB/row", "read", "Gop/s", "GEMM",
             "attention / experts / dense / head / rest");
  for (const Timing& t : timings) print_row(t, machine);
}

void print_drafts(const std::vector<DraftTiming>& drafts) {
  if (drafts.empty()) return;
  out::print("{:>8} {:>6} {:>8} {:>10} {:>9} {:>9}   {}\n", "", "rows", "drafts", "tokens/s",
             "speed-up", "ms/step", "kept by position");
  for (const DraftTiming& t : drafts) {
    const std::string count =
        t.adaptive ? fmt::format("auto {:.1f}", t.drafted) : fmt::format("{}", t.drafts);
    std::string kept;
    for (const double rate : t.acceptance) kept += fmt::format("{:.0f}% ", 100 * rate);
    out::print("{:>8} {:>6} {:>8} {:>10.1f} {:>9.2f} {:>9.2f}   {}\n", "drafts", t.sequences, count,
               t.tokens_per_s, t.speed_up, 1e3 * t.step_s, kept);
  }
}

void print_beside_prompt(const std::vector<BesidePromptTiming>& beside) {
  if (beside.empty()) return;
  out::print("{:>8} {:>6} {:>8} {:>20} {:>22} {:>24}\n", "", "rows", "prompt", "tokens/s (alone)",
             "longest gap (target)", "prompt tokens/s (alone)");
  for (const BesidePromptTiming& t : beside) {
    const double tokens = static_cast<double>(t.prompt_tokens);
    out::print(
        "{:>8} {:>6} {:>8} {:>20} {:>22} {:>24}\n", "beside", t.streams, t.prompt_tokens,
        fmt::format("{:.1f} ({:.1f})", t.beside_tokens_per_s, t.alone_tokens_per_s),
        fmt::format("{:.0f} ms ({:.0f} ms)", 1e3 * t.longest_gap_s, 1e3 * t.target_s),
        fmt::format("{:.1f} ({:.1f})", tokens / t.prompt_beside_s, tokens / t.prompt_alone_s));
  }
}

}  // namespace fathom::cli
