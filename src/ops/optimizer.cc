#include "ops/optimizer.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/optimizer/optimizer_table.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

/// Numbers of one partial sum, and the least that a thread is given: 64 KiB of f32.
constexpr i64 kPiece = 16384;

template <typename Moment>
void check_arrays(View<float, 1> p, View<const float, 1> g, View<Moment, 1> m, View<Moment, 1> v) {
  FATHOM_CHECK(g.dim(0) == p.dim(0) && m.dim(0) == p.dim(0) && v.dim(0) == p.dim(0), "g ", g,
               ", m ", m, " and v ", v, " vs p ", p);
  FATHOM_CHECK(last_axis_contiguous(p) && last_axis_contiguous(g) && last_axis_contiguous(m) &&
                   last_axis_contiguous(v),
               "p ", p, " and its arrays must be contiguous");
}

kernels::AdamWArgs adamw_args(View<float, 1> p, View<const float, 1> g, void* m, void* v,
                              const AdamWOptions& o) {
  FATHOM_CHECK(o.step >= 1, "step ", o.step);
  const double step = static_cast<double>(o.step);
  const auto rounded = [](double value) { return static_cast<float>(value); };
  return {.p = p.data(),
          .g = g.data(),
          .m = m,
          .v = v,
          .grad_scale = o.grad_scale,
          .decay = rounded(1.0 - o.lr * o.weight_decay),
          .m_share = rounded(1.0 - o.beta1),
          .v_keep = rounded(o.beta2),
          .v_share = rounded(1.0 - o.beta2),
          .step_size = rounded(o.lr / (1.0 - std::pow(o.beta1, step))),
          .v_correction = rounded(1.0 / std::sqrt(1.0 - std::pow(o.beta2, step))),
          .eps = rounded(o.eps)};
}

}  // namespace

double sum_of_squares(Ctx& ctx, View<const float, 1> x) {
  require_cpu(ctx, "sum_of_squares");
  FATHOM_CHECK(last_axis_contiguous(x), "x ", x, " must be contiguous");
  const i64 count = x.dim(0), pieces = ceil_div(count, kPiece);
  Workspace::Scope scope(ctx.workspace());
  const auto sums = scope.alloc<double>(pieces);
  parallel_for(pieces, 1, [&](i64 begin, i64 end) {
    for (i64 piece = begin; piece < end; ++piece) {
      const i64 first = piece * kPiece;
      sums(piece) =
          ctx.isa().optimizer->sum_of_squares(x.data() + first, std::min(kPiece, count - first));
    }
  });
  double total = 0.0;
  for (i64 piece = 0; piece < pieces; ++piece) total += sums(piece);
  return total;
}

bool all_finite(Ctx& ctx, View<const float, 1> x) {
  require_cpu(ctx, "all_finite");
  FATHOM_CHECK(last_axis_contiguous(x), "x ", x, " must be contiguous");
  const i64 count = x.dim(0);
  std::atomic<bool> finite{true};
  parallel_for(ceil_div(count, kPiece), 1, [&](i64 begin, i64 end) {
    for (i64 piece = begin; piece < end && finite.load(std::memory_order_relaxed); ++piece) {
      const i64 first = piece * kPiece;
      if (ctx.isa().optimizer->all_finite(x.data() + first, std::min(kPiece, count - first))) {
        continue;
      }
      finite.store(false, std::memory_order_relaxed);
    }
  });
  return finite.load();
}

void adamw_step(Ctx& ctx, View<float, 1> p, View<const float, 1> g, View<float, 1> m,
                View<float, 1> v, const AdamWOptions& options) {
  require_cpu(ctx, "adamw_step");
  check_arrays(p, g, m, v);
  const kernels::AdamWArgs args = adamw_args(p, g, m.data(), v.data(), options);
  parallel_for(p.dim(0), kPiece,
               [&](i64 begin, i64 end) { ctx.isa().optimizer->adamw(args, begin, end); });
}

void adamw_step(Ctx& ctx, View<float, 1> p, View<const float, 1> g, View<Bf16, 1> m,
                View<Bf16, 1> v, const AdamWOptions& options) {
  require_cpu(ctx, "adamw_step");
  check_arrays(p, g, m, v);
  const kernels::AdamWArgs args = adamw_args(p, g, m.data(), v.data(), options);
  parallel_for(p.dim(0), kPiece,
               [&](i64 begin, i64 end) { ctx.isa().optimizer->adamw_bf16(args, begin, end); });
}

void ema_update(Ctx& ctx, View<float, 1> average, View<const float, 1> p, float decay) {
  require_cpu(ctx, "ema_update");
  FATHOM_CHECK(average.dim(0) == p.dim(0), "average ", average, " vs p ", p);
  FATHOM_CHECK(last_axis_contiguous(average) && last_axis_contiguous(p), "average ", average,
               " and p must be contiguous");
  const kernels::EmaArgs args{.average = average.data(), .p = p.data(), .share = 1.0f - decay};
  parallel_for(p.dim(0), kPiece,
               [&](i64 begin, i64 end) { ctx.isa().optimizer->ema(args, begin, end); });
}

}  // namespace fathom::ops
