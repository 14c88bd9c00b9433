#include "backend/cpu/linear/linear_jobs.h"
#include "backend/cpu/linear/merged_heads.h"
#include "backend/cpu/table.h"

namespace fathom::backend::cpu {
namespace {

void linear_forward(Ctx& ctx, const device::LinearForward& op) {
  Workspace::Scope scope(ctx.workspace());
  const size_t count = op.outputs.size();
  LinearJob* jobs = scope.alloc<LinearJob>(std::ssize(op.outputs)).data();
  for (size_t i = 0; i < count; ++i) {
    const device::LinearOutput& output = op.outputs[i];
    const bool alike = i > 0 && output.w.same_type(op.outputs[i - 1].w);
    jobs[i] = {alike ? jobs[i - 1].x : prepare_input(ctx, scope, op.x, output.w, op.mode), output.w,
               output.y};
  }
  run_linear_jobs(ctx, {jobs, count});
}

void linear_heads_forward(Ctx& ctx, const device::LinearHeadsForward& op) {
  const i64 tokens = op.x.dim(0), heads = op.x.dim(1);
  Workspace::Scope scope(ctx.workspace());
  // Row t * heads + h of the prepared input is head h of token t.
  const PreparedInput all = prepare_input(ctx, scope, merged_heads(op.x), op.w, op.activations);
  LinearJob* jobs = scope.alloc<LinearJob>(heads).data();
  for (i64 h = 0; h < heads; ++h) {
    PreparedInput head = all.rows(h, tokens);
    head.stride *= heads;
    head.scale_stride *= heads;
    jobs[h] = {head, op.bands.of(op.w, h), one_head(op.y, h)};
  }
  run_linear_jobs(ctx, {jobs, static_cast<size_t>(heads)});
}

}  // namespace

void set_linear(device::OpTable& table) {
  table.set(linear_forward);
  table.set(linear_heads_forward);
}

}  // namespace fathom::backend::cpu
