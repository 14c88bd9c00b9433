#pragma once
// When the parts of a step ran on this rank, and how long each waited for other ranks: what a
// timeline shows.
#include <string>
#include <vector>

#include "base/clock.h"
#include "comm/comm.h"

namespace fathom::parallel {

struct TraceSpan {
  std::string name;  // "F0.3", "gradients"
  double begin_s = 0.0;
  double end_s = 0.0;
  double wait_s = 0.0;  // of it, for other ranks
};

class StepTrace {
 public:
  /// Times count from now; waiting is what `comm`'s job has of it.
  explicit StepTrace(comm::Comm& comm) : comm_(comm), start_(Clock::now()) {}

  /// part() as a span.
  template <typename Part>
  void span(std::string name, Part&& part) {
    const double begin = seconds_since(start_), waited = comm_.traffic().wait_s;
    part();
    spans_.push_back({.name = std::move(name),
                      .begin_s = begin,
                      .end_s = seconds_since(start_),
                      .wait_s = comm_.traffic().wait_s - waited});
  }
  const std::vector<TraceSpan>& spans() const { return spans_; }

 private:
  comm::Comm& comm_;
  Clock::time_point start_;
  std::vector<TraceSpan> spans_;
};

/// part() as a span of `trace`, which may be nullptr.
template <typename Part>
void traced(StepTrace* trace, std::string name, Part&& part) {
  if (trace == nullptr) return part();
  trace->span(std::move(name), std::forward<Part>(part));
}

/// Collective: on rank 0 every rank's spans in Chrome's trace format, a process a rank, its waiting
/// as a thread of its own beside the work; "" on the others.
std::string chrome_trace(comm::Comm& world, const StepTrace& trace);

}  // namespace fathom::parallel
