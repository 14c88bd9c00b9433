#include "model/exchange/row_block.h"

#include <cstring>

namespace fathom::model {

u8* RowBlock::numbers(i64 row) const {
  return data_ + rows_ * form_.routing_bytes() +
         row * SavedMatrix::saved_row_bytes(form_.format, form_.cols);
}

u8* RowBlock::scales(i64 row) const {
  return numbers(rows_) + row * SavedMatrix::scales_per_row(form_.format, form_.cols);
}

void RowBlock::write(View<const float, 2> x, View<const i32, 2> kept, View<const float, 2> weights,
                     std::span<const i32> tokens) const {
  const auto choices = static_cast<size_t>(form_.topk);
  for (i64 row = 0; choices > 0 && row < rows_; ++row) {
    const i32 token = tokens[static_cast<size_t>(row)];
    std::memcpy(this->kept(row), kept.row(token), choices * sizeof(i32));
    std::memcpy(this->weights(row), weights.row(token), choices * sizeof(float));
  }
  encode_rows(form_.format, x, tokens, numbers(0));
}

void RowBlock::copy_row(i64 row, const RowBlock& other, i64 from) const {
  std::memcpy(kept(row), other.kept(from), static_cast<size_t>(form_.routing_bytes()));
  std::memcpy(numbers(row), other.numbers(from),
              static_cast<size_t>(SavedMatrix::saved_row_bytes(form_.format, form_.cols)));
  std::memcpy(scales(row), other.scales(from),
              static_cast<size_t>(SavedMatrix::scales_per_row(form_.format, form_.cols)));
}

}  // namespace fathom::model
