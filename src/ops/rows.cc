#include "ops/rows.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {

void gather_rows(Ctx& ctx, View<const float, 2> x, View<const i32, 1> ids, View<float, 2> out) {
  FATHOM_CHECK(out.dim(0) == ids.dim(0) && out.dim(1) == x.dim(1), "out ", out, " vs ids ", ids,
               " and x ", x);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(out), "rows of x ", x, " and out ",
               out, " must be contiguous");
  for (i64 r = 0; r < ids.dim(0); ++r) {
    FATHOM_CHECK(ids(r) >= 0 && ids(r) < x.dim(0), "row ", ids(r), " at ", r, " of x ", x);
  }
  run(ctx, device::GatherRows{.x = x, .ids = ids, .out = out});
}

void copy_ids(Ctx& ctx, View<const i32, 2> x, View<i32, 2> out) {
  FATHOM_CHECK(out.dims() == x.dims(), "out ", out, " vs x ", x);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(out), "rows of x ", x, " and out ",
               out, " must be contiguous");
  run(ctx, device::CopyIds{.x = x, .out = out});
}

}  // namespace fathom::ops
