#include "backend/cpu/moe/ffn.h"

#include <algorithm>

#include "backend/cpu/linear/gated_input.h"
#include "backend/cpu/linear/linear_jobs.h"
#include "backend/cpu/table.h"
#include "base/checked_math.h"

namespace fathom::backend::cpu {
namespace {

/// Gates with ups at most: tokens are taken in parts, so that the scratch of a long prefill stays
/// small beside any model.
constexpr i64 kHiddenBytes = i64{32} << 20;

void ffn_forward(Ctx& ctx, const device::FfnForward& op) {
  const i64 tokens = op.x.dim(0);
  const i64 token_bytes = 2 * op.w.gate_proj.rows * static_cast<i64>(sizeof(float));
  const i64 parts = std::max<i64>(1, ceil_div(tokens * token_bytes, kHiddenBytes));
  const i64 part = round_up(ceil_div(tokens, parts), kernels::kPanelTokens);
  for (i64 begin = 0; begin < tokens; begin += part) {
    const i64 count = std::min(part, tokens - begin);
    Workspace::Scope scope(ctx.workspace());
    const PreparedInput input =
        prepare_input(ctx, scope, op.x.slice(0, begin, count), op.w.gate_proj, op.mode);
    run_ffn(ctx, input, op.w, op.y.slice(0, begin, count), op.mode);
  }
}

}  // namespace

void run_ffn(Ctx& ctx, const PreparedInput& x, const device::FfnWeights& w, View<float, 2> y,
             device::LinearMode mode) {
  Workspace::Scope scope(ctx.workspace());
  const LinearJob down{gated_input(ctx, scope, x, w.gate_proj, w.up_proj, w.down_proj, mode),
                       w.down_proj, y};
  run_linear_jobs(ctx, {&down, 1});
}

void set_ffn(device::OpTable& table) { table.set(ffn_forward); }

}  // namespace fathom::backend::cpu
