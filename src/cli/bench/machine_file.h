#pragma once
// `fathom bench --machine-file`: this machine as `fathom plan` reads machines.
#include <string>
#include <vector>

#include "engine/measure/benchmark.h"
#include "model/model.h"

namespace fathom::cli {

/// Useful arithmetic a second of a training pass, measured on one micro-batch of `config` with
/// random weights in BF16; 0 if the model cannot be trained here (no memory, a shape
/// that training refuses).
double measure_training_flops_per_s(Ctx& ctx, const ModelConfig& config);

/// The text of a machine file: a [cpu] table with what was measured and how. `training_flops_per_s`
/// 0: the usual share is written, and said to be assumed.
std::string machine_file(const engine::MachineSpeed& machine,
                         const std::vector<engine::Timing>& timings, double gemm_flops_per_s,
                         double training_flops_per_s, const std::string& model);

}  // namespace fathom::cli
