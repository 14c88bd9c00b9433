#include "base/checked_math.h"
#include "device/run.h"
#include "ops/checks.h"
#include "ops/gemm/gemm.h"

namespace fathom::ops {
namespace {

constexpr i64 kSavedAlignment = 64;

i64 data_bytes(SavedFormat format, i64 rows, i64 cols) {
  return round_up(rows * SavedMatrix::saved_row_bytes(format, cols), kSavedAlignment);
}

}  // namespace

i64 saved_matrix_bytes(SavedFormat format, i64 rows, i64 cols) {
  return data_bytes(format, rows, cols) +
         round_up(rows * SavedMatrix::scales_per_row(format, cols) * 4, kSavedAlignment);
}

SavedMatrix saved_matrix_at(u8* storage, SavedFormat format, i64 rows, i64 cols) {
  FATHOM_CHECK(reinterpret_cast<uintptr_t>(storage) % kSavedAlignment == 0, "storage of [", rows,
               ", ", cols, "] must be 64-byte aligned");
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
  FATHOM_CHECK(x.dim(0) == saved.rows && x.dim(1) == saved.cols, "save_matrix: x ", x, " vs saved ",
               saved);
  FATHOM_CHECK(last_axis_contiguous(x), "save_matrix: rows of x ", x, " must be contiguous");
  run(ctx, device::SaveMatrix{.x = x, .saved = saved});
}

void load_matrix(Ctx& ctx, const SavedMatrix& saved, View<float, 2> out,
                 std::span<const i32> row_ids) {
  const i64 rows = row_ids.data() != nullptr ? std::ssize(row_ids) : saved.rows;
  FATHOM_CHECK(out.dim(0) == rows && out.dim(1) == saved.cols, "load_matrix: out ", out, " vs ",
               rows, " rows of saved ", saved);
  FATHOM_CHECK(last_axis_contiguous(out), "load_matrix: rows of out ", out, " must be contiguous");
  for (const i32 id : row_ids) {
    FATHOM_CHECK(id >= 0 && id < saved.rows, "load_matrix: row ", id, " of ", saved);
  }
  run(ctx, device::LoadMatrix{.saved = saved, .out = out, .row_ids = row_ids});
}

}  // namespace fathom::ops
