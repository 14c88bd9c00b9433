#pragma once
// Linear of prefill: 16 tokens are the lanes and weights are broadcast, so weights are decoded but
// never transposed.
#include <cstdint>

#include "kernels/api/linear.h"

namespace fathom::kernels {

inline constexpr int64_t kPanelTokens = 16;

/// What the numbers of a panel are, on ISAs with dot products. On others those of kBf16 and kFp8
/// are f32, [k][16], and those of kInt8 lie in pairs of 16 bits beside INT8 weights, [k/2][16][2],
/// signed.
enum class PanelForm : uint8_t {
  kBf16,  // [k/2][16][2] BF16; beside BF16 and FP8 weights
  kFp8,   // the same, E4M3 values of quantised tiles in BF16; scale [ceil(k/128)][16]
  kInt8   // [k/4][16][4] codes + 128, unsigned; scale [ceil(k/group)][16]; beside packed integers
};

/// Panels of rows of x, rounded or quantised; columns are padded with zeros to k_padded.
struct PackPanelsArgs {
  const float* x;  // [*, cols]
  int64_t x_stride;
  const int32_t* ids;         // row of x of each row, or nullptr: row i
  const int64_t* first_row;   // [panels] first row of each panel
  const int32_t* panel_rows;  // [panels] 1 to 16
  int64_t cols, k_padded;
  PanelForm form;
  bool power_of_2;  // kFp8: scales rounded up to a power of two
  int64_t group;    // columns of a scale: 128 for kFp8
  int bits;         // kInt8: of the weights
  uint8_t* out;     // [panels] of the table's panel_bytes()
  float* scale;     // [panels, groups, 16], or nullptr of kBf16
  float* sum;       // kInt8: the same, scale * the sum of a group's codes; or nullptr
};

/// y[t, o] = sum_i x[t, i] w[o, i]; with scales, sums of a group times both scales are added in
/// f32.
struct PanelLinearArgs {
  const uint8_t* x;      // [ceil(tokens/16)] panels
  const float* x_scale;  // or nullptr: 1
  const float* x_sum;    // beside weights with minima
  PanelForm form;
  int64_t tokens;
  int64_t in, k_padded;
  const void* w;  // [out, in]
  WeightType w_type;
  const float* w_scale;  // FP8: blocks
  int64_t w_scale_stride, w_row_offset;
  GroupScales w_groups;  // packed integers
  float* y;
  int64_t y_stride;
};

/// silu(gate x) * up x as the panels that down_proj wants: what panel_linear_rows() of both,
/// silu_mul_rows() and pack_panels() make, without their numbers in memory.
struct PanelGatedArgs {
  PanelLinearArgs gate, up;  // of one x, and of one shape and type; no y
  PackPanelsArgs hidden;     // its form, out and scale; no x, no rows
};

/// Rows of weights decoded at once; the unit of work.
inline constexpr int64_t kPanelRowBlock = 64;
/// Columns of a panel, padding included: whole groups of 128.
constexpr int64_t panel_k_padded(int64_t in) { return (in + 127) / 128 * 128; }
constexpr int64_t panel_bytes(PanelForm form, int64_t k_padded) {
  return k_padded * kPanelTokens * (form == PanelForm::kInt8 ? 1 : 2);
}
constexpr int64_t panel_scales(int64_t in, int64_t group) {
  return (in + group - 1) / group * kPanelTokens;
}
/// Rows of gate and up that panel_gated_rows() computes at once: groups of the hidden numbers.
inline constexpr int64_t kGatedRows = 128;
/// Of FP8 weights its blocks of so many rows must not straddle two rows of scales.
inline constexpr int64_t kGatedBlockRows = 32;
/// Tokens multiplied with a decoded block before the next ones are, where sums wait in scratch.
inline constexpr int64_t kPanelTokenBlock = 512;
/// Scratch of one part: decoded rows, whole or some columns at a time; of packed integers
/// offsets, scales and minima of each row and group; sums.
constexpr int64_t panel_scratch_bytes(int64_t k_padded, int64_t tokens) {
  const int64_t waiting = tokens < kPanelTokenBlock ? (tokens + 31) / 32 * 32 : kPanelTokenBlock;
  const int64_t columns = k_padded > 512 ? k_padded : 512;
  return kPanelRowBlock * (2 * columns + 64 + columns / 32 * 8 + waiting * 4);
}
/// Beside it: hidden numbers of a group.
constexpr int64_t gated_scratch_bytes(int64_t k_padded, int64_t tokens) {
  const int64_t block = tokens < kPanelTokenBlock ? (tokens + 15) / 16 * 16 : kPanelTokenBlock;
  return panel_scratch_bytes(k_padded, tokens) + kGatedRows * block * 4;
}

}  // namespace fathom::kernels
