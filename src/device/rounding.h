#pragma once

namespace fathom::device {

/// What a number of an operand is rounded to before it is multiplied.
enum class GemmFormat {
  kF32,   // nothing is rounded
  kBf16,  // to nearest even
  kE4m3,  // scaled to +-448, saturating
  kE5m2   // scaled to +-57344; for study: the paper uses E4M3 everywhere
};
/// Which numbers of an FP8 operand [rows, K] share a scale; always along the product's own K.
enum class GemmScaling {
  kTile,    // 1 x 128: activations and their gradients
  kBlock,   // 128 x 128: weights
  kRow,     // one a row: "per channel", for study
  kTensor,  // one for all, for study
};
/// Source: DeepSeek-V3 §3.3.2. Scales: amax / max, amax at least 1e-4.
struct GemmRounding {
  GemmFormat format = GemmFormat::kBf16;
  GemmScaling scaling = GemmScaling::kTile;
  bool power_of_2_scales = false;
  float static_amax = 0.0f;  // > 0: a fixed range instead of the numbers' own largest

  bool is_fp8() const { return format == GemmFormat::kE4m3 || format == GemmFormat::kE5m2; }
  bool operator==(const GemmRounding&) const = default;
};

}  // namespace fathom::device
