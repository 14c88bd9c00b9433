#include "device/gemm.h"

#include "base/check.h"

namespace fathom::device {

PackSource::PackSource(View<const float, 2> view, bool transposed, std::span<const i32> ids)
    : row_stride(view.stride(0)), row_ids(ids), transpose(transposed) {
  FATHOM_CHECK(view.stride(1) == 1 || view.dim(1) <= 1, "pack: rows of ", view,
               " must be contiguous");
  FATHOM_CHECK(view.dim(0) <= 1 || view.stride(0) >= view.dim(1), "pack: rows of ", view, ", ",
               view.stride(0), " apart, overlap");
  // Packing only reads; SavedMatrix serves both ways.
  x.data = reinterpret_cast<u8*>(const_cast<float*>(view.data()));
  x.rows = view.dim(0);
  x.cols = view.dim(1);
}

PackSource::PackSource(const SavedMatrix& saved, bool transposed, std::span<const i32> ids)
    : x(saved), row_ids(ids), transpose(transposed) {}

PackSource PackSource::as_left() const {
  PackSource source = *this;
  source.left = true;
  return source;
}

}  // namespace fathom::device
