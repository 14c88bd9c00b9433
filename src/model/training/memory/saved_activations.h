#pragma once
// How layers write activations for the backward pass, and read them there.
#include "model/training/train_step.h"

namespace fathom::model::training {

/// Rows [begin, begin + count) of a saved matrix.
SavedMatrix rows_of(const SavedMatrix& saved, i64 begin, i64 count);
/// The first `rows` rows: a micro-batch may be smaller than the storage.
SavedMatrix first_rows(const SavedMatrix& saved, i64 rows);
/// x written to the first rows of `saved`; nothing if `saved` is empty.
void save(const TrainStep& step, View<const float, 2> x, const SavedMatrix& saved);
/// What was saved, x [rows, cols] overwritten.
void load(const TrainStep& step, const SavedMatrix& saved, View<float, 2> x);
/// save, and x becomes what a later load will give: where forward and the backward pass's
/// recomputation must see the same numbers.
void save_and_round(const TrainStep& step, View<float, 2> x, const SavedMatrix& saved);
/// The first `rows` rows of a saved matrix, transposed for wgrad.
ops::PackSource transposed_for_wgrad(const SavedMatrix& saved, i64 rows);
/// The same, or `x` where nothing was saved.
ops::PackSource transposed_for_wgrad(const SavedMatrix& saved, View<const float, 2> x);

}  // namespace fathom::model::training
