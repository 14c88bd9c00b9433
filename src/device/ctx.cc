#include "device/ctx.h"

namespace fathom {

Ctx::Ctx(const device::Backend& backend) : backend_(backend), workspace_(backend.device) {}

std::span<const std::unique_ptr<Ctx>> Ctx::thread_contexts(i64 count) {
  while (std::ssize(thread_contexts_) < count) {
    thread_contexts_.push_back(std::make_unique<Ctx>(backend_));
  }
  return std::span(thread_contexts_).first(static_cast<size_t>(count));
}

}  // namespace fathom
