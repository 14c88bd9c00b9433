#pragma once
#include <vector>

#include "device/op.h"
#include "tensor/view.h"

namespace fathom::device {

/// Which channels form a rotated pair.
enum class RopePairing {
  kInterleaved,  // (0,1), (2,3), ...: DeepSeek checkpoints as stored
  kHalves        // (i, i + dim/2): Llama
};

/// Angles of the rotary embedding: pair i is rotated by position * frequency[i]. `cos_sin_factor`
/// multiplies both (YaRN: mscale / mscale_all_dim, 1 for DeepSeek-V3).
/// Frequencies and angles are computed in double, so that large positions keep their accuracy.
struct RopeTable {
  std::vector<double> frequency;  // [dim/2] radians a position
  float cos_sin_factor = 1.0f;
  RopePairing pairing = RopePairing::kInterleaved;
};

/// Cosines and sines of some positions, times the factor: computed once for the layers of a step.
struct RopeAngles {
  View<float, 2> cos, sin;  // [tokens, pairs] f32
  RopePairing pairing = RopePairing::kInterleaved;
};

/// By the angle, or by the negative angle: the gradient.
enum class RopeDirection { kForward, kBackward };

struct ComputeRopeAngles {
  static constexpr const char* kName = "rope_angles";
  const RopeTable& table;
  View<const i64, 1> positions;
  RopeAngles angles;
};
struct RopeInplace {
  static constexpr const char* kName = "rope_inplace";
  const RopeTable& table;
  View<const i64, 1> positions;
  View<float, 3> x;
  RopeDirection direction;
};
struct RopeByAnglesInplace {
  static constexpr const char* kName = "rope_by_angles_inplace";
  RopeAngles angles;
  View<float, 3> x;
  RopeDirection direction;
};

}  // namespace fathom::device
