#include "backend/cpu/linear/gated_input.h"

#include <algorithm>

#include "backend/cpu/linear/linear_jobs.h"
#include "base/checked_math.h"
#include "base/parallel.h"
#include "device/run.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/prefill_linear/prefill_linear_table.h"

namespace fathom::backend::cpu {
namespace {

using kernels::kGatedRows;
using kernels::kPanelTokens;

/// Tokens of a part that a thread takes at most: their panels stay in its cache.
constexpr i64 kPartTokens = 192;

/// One kernel goes from x to the hidden panels, or the products are made one after the other.
bool has_gated_rows(const Ctx& ctx, const PreparedInput& x, const MatRef& gate, const MatRef& up,
                    const MatRef& down, const device::LinearMode& mode) {
  const auto whole = [](const MatRef& w) { return w.row_offset % kernels::kGatedBlockRows == 0; };
  return ctx.isa().prefill_linear != nullptr &&
         ctx.isa().prefill_linear->panel_gated_rows != nullptr &&
         x.form == PreparedInput::Form::kPanels && wants_panels(ctx, down, mode) && whole(gate) &&
         whole(up);
}

/// `tokens` tokens from `panel` on.
kernels::PanelGatedArgs tokens_of(const Ctx& ctx, kernels::PanelGatedArgs args, i64 panel,
                                  i64 tokens) {
  const auto panel_bytes = ctx.isa().prefill_linear->panel_bytes;
  for (kernels::PanelLinearArgs* side : {&args.gate, &args.up}) {
    const i64 group = side->w_groups.data != nullptr ? side->w_groups.group : kernels::kScaleBlock;
    side->x += panel * panel_bytes(side->form, side->k_padded);
    if (side->x_scale != nullptr) side->x_scale += panel * kernels::panel_scales(side->in, group);
    side->tokens = tokens;
  }
  kernels::PackPanelsArgs& hidden = args.hidden;
  hidden.out += panel * panel_bytes(hidden.form, hidden.k_padded);
  if (hidden.scale != nullptr) {
    hidden.scale += panel * kernels::panel_scales(hidden.cols, hidden.group);
  }
  return args;
}

/// In parts of some tokens and a group of rows, each for the next thread that is free.
void run_gated_rows(Ctx& ctx, const kernels::PanelGatedArgs& args) {
  const i64 panels = ceil_div(args.gate.tokens, kPanelTokens);
  const i64 token_parts = ceil_div(args.gate.tokens, kPartTokens);
  const i64 row_parts = ceil_div(args.hidden.cols, kGatedRows), parts = token_parts * row_parts;
  const i64 threads = std::min<i64>(parts, available_threads());
  Workspace::Scope scope(ctx.workspace());
  const i64 bytes =
      round_up(kernels::gated_scratch_bytes(args.gate.k_padded, args.gate.tokens), 64);
  u8* scratch = scope.alloc<u8>(threads, bytes).data();
  parallel_for_each(parts, [&](i64 thread, i64 part) {
    const i64 begin = panels * (part / row_parts) / token_parts;
    const i64 end = panels * (part / row_parts + 1) / token_parts;
    const i64 tokens = std::min(end * kPanelTokens, args.gate.tokens) - begin * kPanelTokens;
    const i64 row = part % row_parts * kGatedRows;
    ctx.isa().prefill_linear->panel_gated_rows(tokens_of(ctx, args, begin, tokens), row,
                                               row + kGatedRows, scratch + thread * bytes);
  });
}

/// With the hidden numbers in memory as f32.
PreparedInput gated_in_steps(Ctx& ctx, Workspace::Scope& scope, const PreparedInput& x,
                             const MatRef& gate, const MatRef& up, const MatRef& down,
                             device::LinearMode mode) {
  const auto gate_out = scope.alloc<float>(x.tokens, gate.rows);
  const auto up_out = scope.alloc<float>(x.tokens, up.rows);
  const LinearJob jobs[] = {{x, gate, gate_out}, {x, up, up_out}};
  run_linear_jobs(ctx, jobs);
  run(ctx, device::SiluMulForward{.gate = gate_out, .up = up_out, .y = gate_out});
  return prepare_input(ctx, scope, gate_out, down, mode);
}

}  // namespace

PreparedInput gated_input(Ctx& ctx, Workspace::Scope& scope, const PreparedInput& x,
                          const MatRef& gate, const MatRef& up, const MatRef& down,
                          device::LinearMode mode) {
  if (!has_gated_rows(ctx, x, gate, up, down, mode)) {
    return gated_in_steps(ctx, scope, x, gate, up, down, mode);
  }
  const i64 panels = ceil_div(x.tokens, kPanelTokens);
  const kernels::PanelGatedArgs args{
      .gate = panel_args({x, gate, {}}),
      .up = panel_args({x, up, {}}),
      .hidden = alloc_panels(ctx, scope, panels, gate.rows, down, mode)};
  run_gated_rows(ctx, args);
  return {.data = args.hidden.out,
          .form = PreparedInput::Form::kPanels,
          .scale = args.hidden.scale,
          .tokens = x.tokens,
          .in = gate.rows,
          .panel_form = args.hidden.form};
}

}  // namespace fathom::backend::cpu
