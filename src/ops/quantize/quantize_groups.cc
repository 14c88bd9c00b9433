#include "ops/quantize/quantize_groups.h"

#include "base/checked_math.h"
#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {
void quantize_groups(Ctx& ctx, View<const float, 2> x, int bits, i64 group, View<u32, 2> packed,
                     View<Bf16, 2> scale) {
  const i64 rows = x.dim(0), cols = x.dim(1);
  FATHOM_CHECK((bits == 4 || bits == 8) && (group == 32 || group == 128), bits,
               " bits in groups of ", group);
  FATHOM_CHECK(packed.dim(0) == rows && packed.dim(1) == ceil_div(cols * bits, i64{32}) &&
                   scale.dim(0) == rows && scale.dim(1) == ceil_div(cols, group),
               "packed ", packed, " and scale ", scale, " vs x ", x);
  FATHOM_CHECK(last_axis_contiguous(x) && packed.contiguous() && scale.contiguous(), "rows of x ",
               x, ", and packed and scale, must be contiguous");
  run(ctx, device::QuantizeGroups{
               .x = x, .bits = bits, .group = group, .packed = packed, .scale = scale});
}

MatRef packed_matrix(View<const u32, 2> packed, View<const Bf16, 2> scale, i64 cols, int bits,
                     i64 group) {
  MatRef m;
  m.data = packed.data();
  m.dtype = DType::kI32;
  m.rows = packed.dim(0);
  m.cols = cols;
  m.bits = bits;
  m.group_size = group;
  m.group_scale = &scale.data()->bits;
  m.group_stride = scale.dim(1);
  return m;
}

}  // namespace fathom::ops
