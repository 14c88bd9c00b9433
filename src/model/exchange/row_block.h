#pragma once
// Rows of several tokens in one message, with who wants them.
#include "model/exchange/expert_wire.h"

namespace fathom::model {

/// What a row is on its way.
struct RowForm {
  SavedFormat format = SavedFormat::kF32;
  i64 cols = 0;
  i64 topk = 0;  // choices that travel with it, an expert (i32) and a weight (f32) each; 0: none

  i64 routing_bytes() const { return topk * static_cast<i64>(sizeof(i32) + sizeof(float)); }
  i64 bytes() const { return routing_bytes() + wire_row_bytes(format, cols); }
};

/// `rows` of them in memory of someone else: the routing of all (experts of the row, then their
/// weights), then all numbers, then all scales.
class RowBlock {
 public:
  RowBlock(const RowForm& form, u8* data, i64 rows) : form_(form), data_(data), rows_(rows) {}

  const RowForm& form() const { return form_; }
  i64 rows() const { return rows_; }
  i64 bytes() const { return rows_ * form_.bytes(); }
  u8* kept(i64 row) const { return data_ + row * form_.routing_bytes(); }
  u8* weights(i64 row) const { return kept(row) + form_.topk * static_cast<i64>(sizeof(i32)); }
  u8* numbers(i64 row) const;
  u8* scales(i64 row) const;
  /// The block behind this one in the same message.
  u8* end() const { return data_ + bytes(); }

  /// tokens [rows] of x [.., cols], as encode_rows(); and of kept and weights [.., topk], where the
  /// form has them.
  void write(View<const float, 2> x, View<const i32, 2> kept, View<const float, 2> weights,
             std::span<const i32> tokens) const;
  /// Row `from` of another block, as it is.
  void copy_row(i64 row, const RowBlock& other, i64 from) const;

 private:
  RowForm form_;
  u8* data_;
  i64 rows_;
};

}  // namespace fathom::model
