#pragma once
// Ctx: what an op runs with. Passed explicitly, never global; two can work at once in one process.
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/device.h"
#include "tensor/workspace.h"

namespace fathom {

namespace kernels::cpu {
struct IsaTable;
}
namespace device {
class OpTable;

/// What a backend gives to the contexts that it makes.
struct Backend {
  Device device = Device::kCpu;
  const OpTable* ops = nullptr;
  const char* isa_name = "";                    // "avx2"; of a GPU "cuda"
  const kernels::cpu::IsaTable* isa = nullptr;  // CPU only: the kernels of one instruction set
  void* stream = nullptr;                       // where work is queued; the CPU has none
};
}  // namespace device

class Ctx {
 public:
  explicit Ctx(const device::Backend& backend);

  Device device() const { return backend_.device; }
  Workspace& workspace() { return workspace_; }
  const device::OpTable& ops() const { return *backend_.ops; }
  const char* isa_name() const { return backend_.isa_name; }
  /// Only for the CPU's ops, and to tell whether two contexts run the same kernels. Throws
  /// InternalError on another device.
  const kernels::cpu::IsaTable& isa() const {
    FATHOM_CHECK(backend_.isa != nullptr, "device ", device_name(backend_.device),
                 " has no CPU kernels");
    return *backend_.isa;
  }
  /// Where device work is queued; nullptr on the CPU and for the device's default stream.
  void* stream() const { return backend_.stream; }

  /// `count` contexts like this one, one for each thread of an op whose units are ops themselves.
  /// They live as long as this one, so that their workspaces stop growing.
  std::span<const std::unique_ptr<Ctx>> thread_contexts(i64 count);

 private:
  device::Backend backend_;
  Workspace workspace_;
  std::vector<std::unique_ptr<Ctx>> thread_contexts_;
};

}  // namespace fathom
