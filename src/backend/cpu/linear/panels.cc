#include "backend/cpu/linear/panels.h"

#include <algorithm>

#include "backend/cpu/threads.h"
#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/prefill_linear/prefill_linear_table.h"

namespace fathom::backend::cpu {

using device::Activations;
using device::LinearMode;
using kernels::kPanelTokens;

bool quantises_tiles(const MatRef& w, const LinearMode& mode) {
  return w.dtype == DType::kF8E4M3 &&
         (mode.activations == Activations::kFp8 || mode.activations == Activations::kFp8PowerOf2);
}

bool wants_panels(const Ctx& ctx, const MatRef& w, const LinearMode& mode) {
  if (!mode.prefill || ctx.isa().prefill_linear == nullptr) return false;
  if (mode.activations == Activations::kF32 || w.dtype == DType::kF32) return false;
  if (w.group_minimum != nullptr && !ctx.isa().prefill_linear->takes_minima) return false;
  return w.bits == 0 || mode.activations == Activations::kInt8;
}

kernels::PackPanelsArgs alloc_panels(Ctx& ctx, Workspace::Scope& scope, i64 panels, i64 in,
                                     const MatRef& w, const LinearMode& mode) {
  const bool integers = w.bits != 0;
  kernels::PackPanelsArgs args{
      .cols = in,
      .k_padded = kernels::panel_k_padded(in),
      .form = integers                   ? kernels::PanelForm::kInt8
              : quantises_tiles(w, mode) ? kernels::PanelForm::kFp8
                                         : kernels::PanelForm::kBf16,
      .power_of_2 = mode.activations == Activations::kFp8PowerOf2,
      .group = integers ? w.group_size : kernels::kScaleBlock,
      .bits = w.bits,
  };
  args.out =
      scope.alloc<u8>(panels, ctx.isa().prefill_linear->panel_bytes(args.form, args.k_padded))
          .data();
  if (args.form != kernels::PanelForm::kBf16) {
    args.scale = scope.alloc<float>(panels, kernels::panel_scales(in, args.group)).data();
  }
  if (w.group_minimum != nullptr) {
    args.sum = scope.alloc<float>(panels, kernels::panel_scales(in, args.group)).data();
  }
  return args;
}

kernels::PackPanelsArgs pack_panels(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x,
                                    View<const i32, 1> ids, View<const i32, 1> begin,
                                    const MatRef& w, const LinearMode& mode) {
  const i64 groups = begin.dim(0) - 1;
  i64 panels = 0;
  for (i64 g = 0; g < groups; ++g) {
    panels += ceil_div(static_cast<i64>(begin(g + 1) - begin(g)), kPanelTokens);
  }
  kernels::PackPanelsArgs args = alloc_panels(ctx, scope, panels, x.dim(1), w, mode);
  const auto first_row = scope.alloc<i64>(panels);
  const auto panel_rows = scope.alloc<i32>(panels);
  i64 panel = 0;
  for (i64 g = 0; g < groups; ++g) {
    for (i64 row = begin(g); row < begin(g + 1); row += kPanelTokens, ++panel) {
      first_row(panel) = row;
      panel_rows(panel) = static_cast<i32>(std::min(kPanelTokens, begin(g + 1) - row));
    }
  }
  args.x = x.data();
  args.x_stride = x.stride(0);
  args.ids = ids.empty() ? nullptr : ids.data();
  args.first_row = first_row.data();
  args.panel_rows = panel_rows.data();
  for_rows(panels, args.cols * kPanelTokens,
           [&](i64 from, i64 to) { ctx.isa().prefill_linear->pack_panels(args, from, to); });
  return args;
}

}  // namespace fathom::backend::cpu
