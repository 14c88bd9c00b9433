#include "base/checked_math.h"
#include "kernels/cpu/gemm/gemm_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "ops/checks.h"
#include "ops/gemm.h"
#include "ops/saved_rows.h"

namespace fathom::ops {
namespace {

constexpr i64 kAlignment = 64;

i64 data_bytes(SavedFormat format, i64 rows, i64 cols) {
  return round_up(rows * SavedMatrix::saved_row_bytes(format, cols), kAlignment);
}

}  // namespace

i64 saved_matrix_bytes(SavedFormat format, i64 rows, i64 cols) {
  return data_bytes(format, rows, cols) +
         round_up(rows * SavedMatrix::scales_per_row(format, cols) * 4, kAlignment);
}

SavedMatrix saved_matrix_at(u8* storage, SavedFormat format, i64 rows, i64 cols) {
  FATHOM_CHECK(reinterpret_cast<uintptr_t>(storage) % kAlignment == 0, "storage of [", rows, ", ",
               cols, "] must be 64-byte aligned");
  SavedMatrix m;
  m.data = storage;
  m.rows = rows;
  m.cols = cols;
  m.format = format;
  if (SavedMatrix::scales_per_row(format, cols) > 0) {
    m.scale = reinterpret_cast<float*>(storage + data_bytes(format, rows, cols));
  }
  return m;
}

void save_matrix(Ctx& ctx, View<const float, 2> x, const SavedMatrix& saved) {
  require_cpu(ctx, "save_matrix");
  FATHOM_CHECK(x.dim(0) == saved.rows && x.dim(1) == saved.cols, "save_matrix: x ", x, " vs saved ",
               saved);
  FATHOM_CHECK(last_axis_contiguous(x), "save_matrix: rows of x ", x, " must be contiguous");
  // The kernels' struct serves both ways; saving never writes through x.
  const kernels::SaveArgs args{.saved = saved_rows(saved),
                               .ids = nullptr,
                               .x = const_cast<float*>(x.data()),
                               .x_stride = x.stride(0),
                               .cols = x.dim(1)};
  ctx.for_rows(x.dim(0), x.dim(1),
               [&](i64 begin, i64 end) { ctx.isa().gemm->save_rows(args, begin, end); });
}

void load_matrix(Ctx& ctx, const SavedMatrix& saved, View<float, 2> out,
                 std::span<const i32> row_ids) {
  require_cpu(ctx, "load_matrix");
  const i64 rows = row_ids.data() != nullptr ? std::ssize(row_ids) : saved.rows;
  FATHOM_CHECK(out.dim(0) == rows && out.dim(1) == saved.cols, "load_matrix: out ", out, " vs ",
               rows, " rows of saved ", saved);
  FATHOM_CHECK(last_axis_contiguous(out), "load_matrix: rows of out ", out, " must be contiguous");
  for (const i32 id : row_ids) {
    FATHOM_CHECK(id >= 0 && id < saved.rows, "load_matrix: row ", id, " of ", saved);
  }
  const kernels::SaveArgs args{.saved = saved_rows(saved),
                               .ids = row_ids.data(),
                               .x = out.data(),
                               .x_stride = out.stride(0),
                               .cols = saved.cols};
  ctx.for_rows(rows, saved.cols,
               [&](i64 begin, i64 end) { ctx.isa().gemm->load_rows(args, begin, end); });
}

}  // namespace fathom::ops
