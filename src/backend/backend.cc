#include "backend/backend.h"

#include <cstdlib>

#include "backend/cpu/table.h"
#include "backend/cuda/table.h"
#include "base/cpu_features.h"
#include "kernels/cpu/isa/dispatch.h"

namespace fathom::backend {

Ctx make_context(Device device) {
  if (device == Device::kCuda) return Ctx(cuda::make_backend());
  // Read at each call, so that tests can change it.
  const char* isa_name = std::getenv("FATHOM_CPU_ISA");
  return cpu_context(isa_name == nullptr ? std::string_view() : isa_name);
}

Ctx cpu_context(std::string_view isa_name) {
  return cpu_context(kernels::cpu::choose_isa(isa_name, cpu_features()));
}

Ctx cpu_context(const kernels::cpu::IsaTable& isa) {
  return Ctx({.device = Device::kCpu, .ops = &cpu::op_table(), .isa_name = isa.name, .isa = &isa});
}

const device::OpTable& op_table(Device device) {
  return device == Device::kCpu ? cpu::op_table() : cuda::op_table();
}

}  // namespace fathom::backend
