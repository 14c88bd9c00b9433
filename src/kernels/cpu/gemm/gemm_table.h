#pragma once
// The products of training: packing of operands, the multiplier, and matrices saved in few bytes.
#include <cstdint>

#include "kernels/api/gemm.h"

namespace fathom::kernels::cpu {

/// Blocks of c that one thread works on: their operands stay in the second-level cache. Halved,
/// down to the least, until all threads have work.
struct GemmBlocks {
  int64_t rows, cols;
  int64_t least_rows, least_cols;
};

struct GemmTable {
  /// K of BF16 operands is padded with zeros to a multiple of this.
  int64_t bf16_depth;
  /// A left operand may be PackArgs::in_rows.
  bool left_in_rows;
  GemmBlocks blocks;

  // Rows [begin, end).
  void (*save_rows)(const SaveArgs&, int64_t begin, int64_t end);
  void (*load_rows)(const SaveArgs&, int64_t begin, int64_t end);
  // Units [begin, end); scratch: kPackScratchFloats.
  void (*pack_units)(const PackArgs&, int64_t begin, int64_t end, float* scratch);
  /// amax [units, 128]: the largest |x| of each packed row of a unit.
  void (*amax_units)(const PackArgs&, int64_t begin, int64_t end, float* amax, float* scratch);
  // Rows [m0, m1) and columns [n0, n1) of c, both from multiples of kPanelRows.
  void (*gemm_block)(const GemmArgs&, int64_t m0, int64_t m1, int64_t n0, int64_t n1);
};

/// A unit of a saved matrix, decoded.
inline constexpr int64_t kPackScratchFloats = kScaleBlock * kScaleBlock;

}  // namespace fathom::kernels::cpu
