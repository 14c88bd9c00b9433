#pragma once
// How far logits may lie from the exact ones, as a share of the largest |logit|. Used by the tests
// and by whatever compares logits before and after a conversion.

namespace fathom::model {

/// F32 weights' values, Activations::kF32, F32 cache, against transformers in F32; per position.
/// The order of the sums is all that differs. Measured worst: 3.3e-6 (v2_lite).
inline constexpr double kF32LogitTol = 1e-4;

/// Activations::kBf16 with a BF16 cache against exact logits. Every rounding to BF16 is off by at
/// most 2^-9; transformers' own BF16 run is off by up to 2.6e-2 on the same models.
/// Measured worst: 2.3e-2 (v2_lite), 1.3e-2 elsewhere.
inline constexpr double kBf16LogitTol = 3e-2;

/// Activations::kFp8 and kFp8PowerOf2 against the same recipe in F32 (tests/golden, `fp8`): lm_head
/// alone differs, whose input is rounded to BF16 here. Measured worst: 2.3e-3.
inline constexpr double kFp8RecipeLogitTol = 5e-3;

/// An FP8 cache against an F32 cache, all else exact: E4M3 keeps 3 bits, off by at most 2^-4.
/// Measured worst: 2.0e-1 (moonlight, a latent of 12 numbers), 3e-2 in the median case.
inline constexpr double kFp8CacheLogitTol = 3e-1;

}  // namespace fathom::model
