// Is a schedule whole, and does it end?
#include <fmt/format.h>

#include "plan/schedule/playback.h"

namespace fathom::plan {
namespace {

class Checker {
 public:
  explicit Checker(const Schedule& schedule) : s_(schedule) {}

  std::vector<std::string> run() {
    check_places();
    if (!problems_.empty()) return problems_;
    for (i64 r = 0; r < s_.ranks; ++r) check_rank(static_cast<size_t>(r));
    if (problems_.empty()) check_end();
    return problems_;
  }

 private:
  /// Every stage of every path lies on exactly one rank.
  void check_places() {
    std::vector<i64> holders(static_cast<size_t>(s_.paths * s_.stages), 0);
    if (std::ssize(s_.ops) != s_.ranks || std::ssize(s_.chunks) != s_.ranks) {
      problems_.push_back(fmt::format("{} lists and {} placements for {} ranks", s_.ops.size(),
                                      s_.chunks.size(), s_.ranks));
      return;
    }
    for (const auto& chunks : s_.chunks) {
      for (const StagePlace& at : chunks) {
        if (at.path < 0 || at.path >= s_.paths || at.stage < 0 || at.stage >= s_.stages) {
          problems_.push_back(fmt::format("no stage {} on path {}", at.stage, at.path));
          return;
        }
        ++holders[static_cast<size_t>(at.path * s_.stages + at.stage)];
      }
    }
    for (size_t i = 0; i < holders.size(); ++i) {
      if (holders[i] == 1) continue;
      problems_.push_back(fmt::format("stage {} of path {} is on {} ranks",
                                      static_cast<i64>(i) % s_.stages,
                                      static_cast<i64>(i) / s_.stages, holders[i]));
    }
  }

  void check_rank(size_t r) {
    const auto chunks = s_.chunks[r].size();
    const auto per_path = static_cast<size_t>(s_.micro_batches_per_path());
    std::vector<i64> forward(chunks * per_path, 0), backward(chunks * per_path, 0);
    i64 pending = 0;
    const auto cell = [&](i32 chunk, i32 k) -> i64 {
      const bool known = chunk >= 0 && static_cast<size_t>(chunk) < chunks && k >= 0 &&
                         static_cast<size_t>(k) < per_path;
      return known ? static_cast<i64>(static_cast<size_t>(chunk) * per_path) + k : -1;
    };
    for (const ScheduleOp& op : s_.ops[r]) {
      if (op.kind == OpKind::kBackwardWeight) {
        if (--pending < 0) return report(r, op, "no weight work is pending");
        continue;
      }
      const i64 at = cell(op.chunk, op.micro_batch);
      if (at < 0) return report(r, op, "no such chunk or micro-batch");
      const bool is_forward = op.kind == OpKind::kForward || op.kind == OpKind::kOverlapped;
      i64 back = is_forward ? -1 : at;
      if (is_forward && forward[static_cast<size_t>(at)]++ > 0) return report(r, op, "twice");
      if (op.kind == OpKind::kOverlapped) {
        back = cell(op.backward_chunk, op.backward_micro_batch);
        if (back < 0) return report(r, op, "no such chunk or micro-batch");
        if (back == at) return report(r, op, "a backward pass beside its own forward pass");
      }
      if (back < 0) continue;
      if (forward[static_cast<size_t>(back)] == 0) return report(r, op, "before its forward pass");
      if (backward[static_cast<size_t>(back)]++ > 0) return report(r, op, "backward twice");
      if (op.kind == OpKind::kBackwardInput) ++pending;
    }
    if (pending > 0) problems_.push_back(fmt::format("rank {}: {} W are missing", r, pending));
    count_missing(r, "F", forward);
    count_missing(r, "B", backward);
  }

  void count_missing(size_t r, const char* what, const std::vector<i64>& done) {
    i64 missing = 0;
    for (const i64 count : done) missing += count == 0 ? 1 : 0;
    if (missing > 0)
      problems_.push_back(fmt::format("rank {}: {} {} are missing", r, missing, what));
  }

  void report(size_t r, const ScheduleOp& op, const char* what) {
    problems_.push_back(fmt::format("rank {}: {}: {}", r, to_string(op), what));
  }

  void check_end() {
    const Seconds one(1.0);
    const Timeline timeline = play(s_, OpTimes::uniform(s_.stages, {one, one, one, one}, one));
    if (timeline.complete) return;
    for (size_t r = 0; r < s_.ops.size(); ++r) {
      for (size_t i = 0; i < s_.ops[r].size(); ++i) {
        if (timeline.spans[r][i].end > Seconds()) continue;
        problems_.push_back(
            fmt::format("deadlock: rank {} waits at {}", r, to_string(s_.ops[r][i])));
        break;
      }
    }
  }

  const Schedule& s_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> check_schedule(const Schedule& schedule) {
  return Checker(schedule).run();
}

}  // namespace fathom::plan
