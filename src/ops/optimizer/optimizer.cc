#include "ops/optimizer/optimizer.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

template <typename Moment>
void check_step(View<float, 1> p, View<const float, 1> g, View<Moment, 1> m, View<Moment, 1> v,
                const AdamWOptions& options) {
  FATHOM_CHECK(g.dim(0) == p.dim(0) && m.dim(0) == p.dim(0) && v.dim(0) == p.dim(0), "g ", g,
               ", m ", m, " and v ", v, " vs p ", p);
  FATHOM_CHECK(last_axis_contiguous(p) && last_axis_contiguous(g) && last_axis_contiguous(m) &&
                   last_axis_contiguous(v),
               "p ", p, " and its arrays must be contiguous");
  FATHOM_CHECK(options.step >= 1, "step ", options.step);
}

}  // namespace

double sum_of_squares(Ctx& ctx, View<const float, 1> x) {
  FATHOM_CHECK(last_axis_contiguous(x), "x ", x, " must be contiguous");
  double sum = 0.0;
  run(ctx, device::SumOfSquares{.x = x, .sum = &sum});
  return sum;
}

bool all_finite(Ctx& ctx, View<const float, 1> x) {
  FATHOM_CHECK(last_axis_contiguous(x), "x ", x, " must be contiguous");
  bool finite = false;
  run(ctx, device::AllFinite{.x = x, .finite = &finite});
  return finite;
}

void adamw_step(Ctx& ctx, View<float, 1> p, View<const float, 1> g, View<float, 1> m,
                View<float, 1> v, const AdamWOptions& options) {
  check_step(p, g, m, v, options);
  run(ctx, device::AdamWStep{.p = p, .g = g, .m = m, .v = v, .options = options});
}

void adamw_step(Ctx& ctx, View<float, 1> p, View<const float, 1> g, View<Bf16, 1> m,
                View<Bf16, 1> v, const AdamWOptions& options) {
  check_step(p, g, m, v, options);
  run(ctx, device::AdamWStepBf16{.p = p, .g = g, .m = m, .v = v, .options = options});
}

void ema_update(Ctx& ctx, View<float, 1> average, View<const float, 1> p, float decay) {
  FATHOM_CHECK(average.dim(0) == p.dim(0), "average ", average, " vs p ", p);
  FATHOM_CHECK(last_axis_contiguous(average) && last_axis_contiguous(p), "average ", average,
               " and p must be contiguous");
  run(ctx, device::EmaUpdate{.average = average, .p = p, .decay = decay});
}

}  // namespace fathom::ops
