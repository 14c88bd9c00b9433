#pragma once
// A training run on one node without accelerators, where arithmetic is what takes the time.
#include "plan/machine/cluster.h"

namespace fathom::plan {

struct CpuRun {
  Seconds least;     // at the measured speed of products
  Seconds expected;  // at the share of it that training reaches
};

/// flops / gemm, and over training_frac. What is recomputed, norms, the optimizer and everything
/// else is in that share.
CpuRun plan_cpu_run(const CpuSection& cpu, Flops flops);

}  // namespace fathom::plan
