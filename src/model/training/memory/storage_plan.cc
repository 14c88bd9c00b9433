#include "model/training/memory/storage_plan.h"

#include <algorithm>

#include "model/training/precision.h"

namespace fathom::model::training {

SavedMatrix StoragePlan::matrix(std::string_view kind, SavedFormat format, i64 rows, i64 cols) {
  const std::string label = std::string(kind) + " (" + std::string(to_string(format)) + ")";
  u8* storage = take(label, ops::saved_matrix_bytes(format, rows, cols));
  if (base_ == nullptr) return {.rows = rows, .cols = cols, .format = format};
  return ops::saved_matrix_at(storage, format, rows, cols);
}

u8* StoragePlan::take(std::string_view kind, i64 bytes) {
  const i64 rounded = round_up(bytes, 64);
  auto row = std::ranges::find(rows_, kind, &std::pair<std::string, i64>::first);
  if (row == rows_.end()) row = rows_.insert(row, {std::string(kind), 0});
  row->second += rounded;
  u8* storage = base_ == nullptr ? nullptr : base_ + bytes_;
  bytes_ += rounded;
  return storage;
}

}  // namespace fathom::model::training
