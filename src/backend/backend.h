#pragma once
// The devices: each has a table of the ops that it can run, and makes contexts that hold it.
#include <string_view>

#include "device/ctx.h"
#include "device/op_table.h"

namespace fathom::backend {

/// A context on a device. On the CPU with the best instruction set this machine runs, or the one
/// that FATHOM_CPU_ISA (scalar|avx2|avx512|avx512_bf16|amx) names. Throws Error{kInvalidInput} for
/// an unknown name, Error{kUnsupported} for one that this CPU or its operating system lacks, or
/// for a device that this build or this machine lacks.
Ctx make_context(Device device = Device::kCpu);

/// A context on the CPU with the instruction set of that name, whatever the environment says;
/// throws as make_context().
Ctx cpu_context(std::string_view isa_name);
/// The same with a given table of kernels; tests run every instruction set.
Ctx cpu_context(const kernels::cpu::IsaTable& isa);

/// The ops of a device, whether this machine has it or not.
const device::OpTable& op_table(Device device);

}  // namespace fathom::backend
