#pragma once
#include "device/op.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::device {

struct SiluMulForward {
  static constexpr const char* kName = "silu_mul_forward";
  View<const float, 2> gate, up;
  View<float, 2> y;
};
struct SiluMulBackward {
  static constexpr const char* kName = "silu_mul_backward";
  View<const float, 2> dy, gate, up;
  View<float, 2> dgate, dup;
  View<float, 2> y;  // the forward result, recomputed; empty: not wanted
};

struct WeightedSiluMulForward {
  static constexpr const char* kName = "weighted_silu_mul_forward";
  View<const float, 2> gate, up;
  View<const float, 1> weight;
  View<float, 2> y;
};
struct WeightedSiluMulBackward {
  static constexpr const char* kName = "weighted_silu_mul_backward";
  View<const float, 2> dy, gate, up;
  View<const float, 1> weight;
  View<float, 2> dgate, dup;
  View<float, 1> dweight;
  View<float, 2> y;  // the forward result, recomputed; empty: not wanted
};

struct AddInplace {
  static constexpr const char* kName = "add_inplace";
  View<float, 2> x;
  View<const float, 2> y;
};

struct ScaleRowsInplace {
  static constexpr const char* kName = "scale_rows_inplace";
  View<float, 2> x;
  View<const float, 1> scales;
};

struct AddBiasBackward {
  static constexpr const char* kName = "add_bias_backward";
  View<const float, 2> dx;
  View<float, 1> dbias;
};

struct EmbeddingForward {
  static constexpr const char* kName = "embedding_forward";
  MatRef table;
  View<const i32, 1> ids;
  View<float, 2> out;
};
struct EmbeddingBackward {
  static constexpr const char* kName = "embedding_backward";
  View<const float, 2> dout;
  View<const i32, 1> ids;
  View<float, 2> dtable;
};

}  // namespace fathom::device
