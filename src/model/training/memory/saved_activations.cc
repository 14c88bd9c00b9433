#include "model/training/memory/saved_activations.h"

namespace fathom::model::training {

SavedMatrix rows_of(const SavedMatrix& saved, i64 begin, i64 count) {
  FATHOM_CHECK(!saved.empty() && begin >= 0 && begin + count <= saved.rows, "rows [", begin, ", ",
               begin + count, ") of a saved ", saved);
  SavedMatrix part = saved;
  part.data += begin * saved.row_bytes();
  if (part.scale != nullptr) {
    part.scale += begin * SavedMatrix::scales_per_row(saved.format, saved.cols);
  }
  part.rows = count;
  return part;
}

SavedMatrix first_rows(const SavedMatrix& saved, i64 rows) { return rows_of(saved, 0, rows); }

void save(const TrainStep& step, View<const float, 2> x, const SavedMatrix& saved) {
  if (!saved.empty()) ops::save_matrix(step.ctx, x, first_rows(saved, x.dim(0)));
}

void load(const TrainStep& step, const SavedMatrix& saved, View<float, 2> x) {
  ops::load_matrix(step.ctx, first_rows(saved, x.dim(0)), x);
}

void save_and_round(const TrainStep& step, View<float, 2> x, const SavedMatrix& saved) {
  save(step, x, saved);
  if (saved.format != SavedFormat::kF32) load(step, saved, x);
}

ops::PackSource transposed_for_wgrad(const SavedMatrix& saved, i64 rows) {
  return ops::PackSource(first_rows(saved, rows), /*transposed=*/true);
}

ops::PackSource transposed_for_wgrad(const SavedMatrix& saved, View<const float, 2> x) {
  if (saved.empty()) return ops::PackSource(x, /*transposed=*/true);
  return transposed_for_wgrad(saved, x.dim(0));
}

}  // namespace fathom::model::training
