#include "ops/ctx.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/cpu_features.h"
#include "base/error.h"
#include "kernels/cpu/isa/dispatch.h"
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

void Ctx::begin_units(i64 count) {
  const i64 threads = std::min<i64>(count, available_threads());
  while (std::ssize(workers_) < threads) workers_.push_back(std::make_unique<Ctx>(*isa_));
}

/// All workers get room for the largest unit that any of them ran, so that the next step allocates
/// nothing whoever runs it.
void Ctx::end_units() {
  i64 most = 0;
  for (const auto& worker : workers_) most = std::max(most, worker->workspace_.high_water_bytes());
  for (const auto& worker : workers_) worker->workspace_.reserve(most);
}

const char* Ctx::isa_name() const { return isa_->name; }

}  // namespace fathom
