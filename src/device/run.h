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

/// Throws Error{kUnsupported} if the device does not have this op: for checks that ask the device.
template <typename Op>
void require(const Ctx& ctx) {
  if (!has<Op>(ctx)) refuse(ctx, Op::kName);
}

/// Runs an op. Throws Error{kUnsupported} if the device does not have it.
template <typename Op>
void run(Ctx& ctx, const Op& op) {
  require<Op>(ctx);
  ctx.ops().entry<Op>().function(ctx, op);
}

/// The device's answer. Throws as run().
template <Question Op>
typename Op::Answer ask(const Ctx& ctx, const Op& question) {
  require<Op>(ctx);
  return ctx.ops().entry<Op>().function(ctx, question);
}

}  // namespace fathom::device
