#pragma once
// The one way from an op's checked arguments to a device.
#include "device/op_table.h"

namespace fathom::device {

/// Throws Error{kUnsupported} that names the op and the device.
[[noreturn]] void refuse(const Ctx& ctx, const char* op);

/// Does the device of `ctx` have this op?
template <typename Op>
bool has(const Ctx& ctx) {
  return ctx.ops().entry<Op>().function != nullptr;
}

/// Runs an op. Throws Error{kUnsupported} if the device does not have it.
template <typename Op>
void run(Ctx& ctx, const Op& op) {
  if (!has<Op>(ctx)) refuse(ctx, Op::kName);
  ctx.ops().entry<Op>().function(ctx, op);
}

/// The device's answer. Throws as run().
template <Question Op>
typename Op::Answer ask(const Ctx& ctx, const Op& question) {
  if (!has<Op>(ctx)) refuse(ctx, Op::kName);
  return ctx.ops().entry<Op>().function(ctx, question);
}

}  // namespace fathom::device
