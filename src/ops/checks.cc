#include "ops/checks.h"

#include "base/error.h"
#include "tensor/fp8.h"

namespace fathom::ops {

void check_stored_type(const MatRef& w, const char* op) {
  switch (w.dtype) {
    case DType::kF32:
    case DType::kBF16:
      return;
    case DType::kF8E4M3:
      FATHOM_CHECK(w.scale != nullptr, op, ": weight ", w, " has no block scales");
      FATHOM_CHECK(w.row_offset >= 0 && w.row_offset < kFp8Block, op, ": row offset ", w.row_offset,
                   " of weight ", w);
      return;
    case DType::kI32:
      FATHOM_CHECK(w.bits == 4 || w.bits == 8, op, ": weight ", w);
      FATHOM_CHECK(w.group_scale != nullptr && (w.group_size == 32 || w.group_size == 128), op,
                   ": weight ", w, " has no scales for its groups");
      FATHOM_CHECK(w.group_dtype == DType::kBF16 || w.group_dtype == DType::kF16, op, ": weight ",
                   w, " has scales in ", dtype_name(w.group_dtype));
      FATHOM_CHECK(w.group_minimum == nullptr || (w.bits == 4 && w.group_size == 32), op,
                   ": weight ", w, ": INT4 in groups of 32 alone may have minima");
      return;
    default:
      throw Error(ErrorCode::kUnsupported, std::string(op) + ": weight " + to_string(w) +
                                               " is stored in a type without kernels (F32, BF16, "
                                               "F8_E4M3 and packed integers have them)");
  }
}

void check_choices(View<const i32, 2> topk_indices, i64 experts) {
  for (i64 t = 0; t < topk_indices.dim(0); ++t) {
    for (i64 j = 0; j < topk_indices.dim(1); ++j) {
      const i32 expert = topk_indices(t, j);
      FATHOM_CHECK(expert >= -1 && expert < experts, "expert ", expert, " of token ", t, ", of ",
                   experts);
    }
  }
}

}  // namespace fathom::ops
