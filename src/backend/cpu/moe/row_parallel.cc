// Decoding: few rows an expert, so every product is cut over all threads by output rows.
#include "backend/cpu/linear/linear_jobs.h"
#include "backend/cpu/moe/expert_layer.h"
#include "device/run.h"

namespace fathom::backend::cpu {
namespace {

using device::FfnWeights;

/// Rows of the routed experts, and of the shared one.
struct ExpertRows {
  View<float, 2> routed;  // [rows, *]
  View<float, 2> shared;  // [tokens, *], or empty
};

void silu_mul(Ctx& ctx, View<float, 2> gate, View<const float, 2> up) {
  run(ctx, device::SiluMulForward{.gate = gate, .up = up, .y = gate});
}

/// hidden = silu(gate x) * up x. All gates and ups are one parallel region; what only they need
/// goes back to the workspace.
void run_gates(Ctx& ctx, const ExpertLayer& layer, const ExpertRows& hidden) {
  Workspace::Scope scope(ctx.workspace());
  const FfnWeights& like = layer.experts[0];
  const auto up = scope.alloc<float>(hidden.routed.dim(0), hidden.routed.dim(1));
  const auto shared_up = scope.alloc<float>(hidden.shared.dim(0), hidden.shared.dim(1));
  LinearJob* jobs = scope.alloc<LinearJob>(2 * std::ssize(layer.experts) + 2).data();
  size_t count = 0;
  const auto inputs =
      prepare_groups(ctx, scope, layer.x, layer.token, layer.begin, like.gate_proj, layer.mode);
  layer.for_used([&](size_t e, i64 first, i64 n) {
    jobs[count++] = {inputs[e], layer.experts[e].gate_proj, hidden.routed.slice(0, first, n)};
    jobs[count++] = {inputs[e], layer.experts[e].up_proj, up.slice(0, first, n)};
  });
  if (layer.shared != nullptr) {
    const PreparedInput all =
        prepare_input(ctx, scope, layer.x, layer.shared->gate_proj, layer.mode);
    jobs[count++] = {all, layer.shared->gate_proj, hidden.shared};
    jobs[count++] = {all, layer.shared->up_proj, shared_up};
  }
  run_linear_jobs(ctx, {jobs, count});
  silu_mul(ctx, hidden.routed, up);
  if (layer.shared != nullptr) silu_mul(ctx, hidden.shared, shared_up);
}

/// out = down hidden; all downs are one parallel region.
void run_downs(Ctx& ctx, const ExpertLayer& layer, const ExpertRows& hidden,
               const ExpertRows& out) {
  Workspace::Scope scope(ctx.workspace());
  LinearJob* jobs = scope.alloc<LinearJob>(std::ssize(layer.experts) + 1).data();
  size_t count = 0;
  const auto inputs = prepare_groups(ctx, scope, hidden.routed, {}, layer.begin,
                                     layer.experts[0].down_proj, layer.mode);
  layer.for_used([&](size_t e, i64 first, i64 n) {
    jobs[count++] = {inputs[e], layer.experts[e].down_proj, out.routed.slice(0, first, n)};
  });
  if (layer.shared != nullptr) {
    const MatRef& down = layer.shared->down_proj;
    jobs[count++] = {prepare_input(ctx, scope, hidden.shared, down, layer.mode), down, out.shared};
  }
  run_linear_jobs(ctx, {jobs, count});
}

}  // namespace

void run_row_parallel(Ctx& ctx, const ExpertLayer& layer, View<float, 2> y) {
  Workspace::Scope scope(ctx.workspace());
  const FfnWeights& like = layer.experts[0];
  const i64 rows = layer.token.dim(0), tokens = layer.x.dim(0);
  const bool has_shared = layer.shared != nullptr;
  const i64 shared_width = has_shared ? layer.shared->gate_proj.rows : 0;
  const ExpertRows hidden{scope.alloc<float>(rows, like.gate_proj.rows),
                          scope.alloc<float>(tokens, shared_width)};
  run_gates(ctx, layer, hidden);
  const ExpertRows out{scope.alloc<float>(rows, y.dim(1)),
                       scope.alloc<float>(tokens, has_shared ? y.dim(1) : 0)};
  run_downs(ctx, layer, hidden, out);
  combine_rows(ctx, layer, out.routed, 0, rows, y);
  if (has_shared) run(ctx, device::AddInplace{.x = y, .y = out.shared});
}

}  // namespace fathom::backend::cpu
