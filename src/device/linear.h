#pragma once
#include <span>

#include "device/op.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::device {

/// How a Linear sees its input. Activations are f32 in memory between ops in every mode.
enum class Activations {
  kF32,          // as they are
  kBf16,         // rounded to BF16; with F32 weights they stay f32
  kFp8,          // FP8 weights: quantised per 1x128 tile to E4M3, scale amax/448; others as kBf16
  kFp8PowerOf2,  // as kFp8 with scales rounded up to a power of two (UE8M0)
  kInt8          // INT8 and INT4 weights: quantised to INT8 in the groups of the weights, scale
                 // amax/127; others as kBf16
};

/// How a Linear runs.
struct LinearMode {
  Activations activations;
  /// Tokens are the vector lanes where the instruction set has the kernels for it, which is the
  /// faster form from about 16 tokens on. It sums in another order, so whoever asks for it must not
  /// let it depend on the other rows of the batch.
  bool prefill = false;

  LinearMode(Activations a, bool is_prefill = false)  // NOLINT(google-explicit-constructor)
      : activations(a), prefill(is_prefill) {}
};

/// One of several products of the same input.
struct LinearOutput {
  MatRef w;
  View<float, 2> y;
};
struct LinearForward {
  static constexpr const char* kName = "linear_forward";
  View<const float, 2> x;
  std::span<const LinearOutput> outputs;
  LinearMode mode;
};

/// Where the rows of each head lie in a matrix of all heads: head h has rows [h * step + first,
/// h * step + first + count).
struct HeadBands {
  i64 first = 0;
  i64 count = 0;
  i64 step = 0;
  /// The rows of head h.
  MatRef of(const MatRef& w, i64 h) const { return w.row_slice(h * step + first, count); }
};
struct LinearHeadsForward {
  static constexpr const char* kName = "linear_heads_forward";
  View<const float, 3> x;
  MatRef w;
  HeadBands bands;
  View<float, 3> y;
  Activations activations;
};

struct LinearTransposedForward {
  static constexpr const char* kName = "linear_transposed_forward";
  View<const float, 2> x;
  MatRef w;
  View<float, 2> y;
  Activations activations;
};
struct LinearTransposedHeadsForward {
  static constexpr const char* kName = "linear_transposed_heads_forward";
  View<const float, 3> x;
  MatRef w;
  HeadBands bands;
  View<float, 3> y;
  Activations activations;
};

}  // namespace fathom::device
