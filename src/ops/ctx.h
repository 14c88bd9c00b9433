#pragma once
// Ctx: what an op runs with. Passed explicitly, never global; two can work at once in one process.
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
  /// (scalar|avx2|avx512) names. Throws Error{kUnsupported} for a set that this CPU or its operating
  /// system lacks, or for a device this build lacks.
  explicit Ctx(Device device = Device::kCpu);
  /// With a given kernel table; tests use it to run every instruction set.
  explicit Ctx(const kernels::cpu::IsaTable& isa);

  Device device() const { return device_; }
  Workspace& workspace() { return workspace_; }
  const kernels::cpu::IsaTable& isa() const { return *isa_; }
  const char* isa_name() const;

  /// fn(begin, end) over disjoint ranges of rows, on all threads.
  template <typename Fn>
  void for_rows(i64 rows, Fn&& fn) {
    parallel_for(rows, 1, fn);
  }

 private:
  Device device_;
  const kernels::cpu::IsaTable* isa_;
  Workspace workspace_;
};

}  // namespace fathom
