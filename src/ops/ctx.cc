#include "ops/ctx.h"

#include <cstdlib>
#include <string_view>

#include "base/cpu_features.h"
#include "base/error.h"
#include "kernels/cpu/dispatch.h"
#include "kernels/cuda/cuda.h"

namespace fathom {
namespace {

/// FATHOM_CPU_ISA forces a set; read at each construction so that tests can change it.
const kernels::cpu::IsaTable& isa_from_environment() {
  const char* name = std::getenv("FATHOM_CPU_ISA");
  return kernels::cpu::choose_isa(name == nullptr ? std::string_view() : name, cpu_features());
}

}  // namespace

Ctx::Ctx(Device device) : device_(device), isa_(&isa_from_environment()), workspace_(device) {
  if (device == Device::kCuda) kernels::cuda::require_device();
}

Ctx::Ctx(const kernels::cpu::IsaTable& isa)
    : device_(Device::kCpu), isa_(&isa), workspace_(Device::kCpu) {}

Ctx Ctx::of_isa(std::string_view name) {
  return Ctx(kernels::cpu::choose_isa(name, cpu_features()));
}

const char* Ctx::isa_name() const { return isa_->name; }

}  // namespace fathom
