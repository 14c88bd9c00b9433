#include "plan/training/cpu_run.h"

namespace fathom::plan {

CpuRun plan_cpu_run(const CpuSection& cpu, Flops flops) {
  const Seconds least = flops / FlopsPerSecond(cpu.gemm_gflops * 1e9);
  return {.least = least, .expected = least / cpu.training_frac};
}

}  // namespace fathom::plan
