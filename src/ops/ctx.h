#pragma once
// Ctx: what an op runs with. Passed explicitly, never global; two can work at once in one process.
#include <memory>
#include <string_view>
#include <vector>

#include "base/device.h"
#include "base/parallel.h"
#include "tensor/workspace.h"

namespace fathom {

namespace kernels::cpu {
struct IsaTable;
}

class Ctx {
 public:
  /// The CPU with the best instruction set this machine runs, or the one that FATHOM_CPU_ISA
  /// (scalar|avx2|avx512|avx512_bf16|amx) names. Throws Error{kInvalidInput} for an unknown name,
  /// Error{kUnsupported} for a set that this CPU or its operating system lacks, or for a device
  /// that this build or this machine lacks.
  explicit Ctx(Device device = Device::kCpu);
  /// With a given kernel table; tests use it to run every instruction set.
  explicit Ctx(const kernels::cpu::IsaTable& isa);

  /// With the instruction set of that name, whatever the environment says; throws as Ctx(device).
  static Ctx of_isa(std::string_view name);

  Device device() const { return device_; }
  Workspace& workspace() { return workspace_; }
  const kernels::cpu::IsaTable& isa() const { return *isa_; }
  const char* isa_name() const;
  /// Where device work is queued; nullptr on the CPU and for the device's default stream.
  void* stream() const { return nullptr; }

  /// fn(begin, end) over disjoint ranges of rows, on all threads.
  template <typename Fn>
  void for_rows(i64 rows, Fn&& fn) {
    parallel_for(rows, 1, fn);
  }
  /// The same for rows of about `row_work` simple operations: rows that are not worth a thread's
  /// wake-up stay together.
  template <typename Fn>
  void for_rows(i64 rows, i64 row_work, Fn&& fn) {
    const i64 grain = row_work >= kThreadWork ? 1 : kThreadWork / (row_work > 0 ? row_work : 1);
    parallel_for(rows, grain, fn);
  }

  /// fn(worker, unit) for units [0, count), each on one thread as one becomes free, in rising
  /// order. `worker` is a context of that thread: ops run in it on the one thread, with a workspace
  /// of their own. No result may depend on who runs a unit.
  template <typename Fn>
  void for_units(i64 count, Fn&& fn) {
    begin_units(count);
    parallel_for_each(
        count, [&](i64 thread, i64 unit) { fn(*workers_[static_cast<size_t>(thread)], unit); });
    end_units();
  }

 private:
  void begin_units(i64 count);
  void end_units();

  /// Simple operations that take about as long as waking a thread.
  static constexpr i64 kThreadWork = 8192;

  Device device_;
  const kernels::cpu::IsaTable* isa_;
  Workspace workspace_;
  std::vector<std::unique_ptr<Ctx>> workers_;  // of for_units(), one a thread
};

}  // namespace fathom
