#pragma once
// What one instruction set offers for the rest of training: gradients of norms, activations, the
// router and the loss; the optimizer. Filled by training_<isa>.cc; reached through
// IsaTable::training.
#include <cstdint>

#include "kernels/api/quantization_error.h"

namespace fathom::kernels::cpu {

struct TrainingTable {
  const char* name;

  // What rounding does to the numbers of a tensor. Blocks are of 128 rows.
  void (*tile_range_blocks)(const TileRangeArgs&, int64_t begin, int64_t end);
  void (*quantization_error_blocks)(const QuantizationErrorArgs&, int64_t begin, int64_t end);
  void (*octave_count_blocks)(const OctaveCountArgs&, int64_t begin, int64_t end);
  void (*magnitude_bin_rows)(const MagnitudeBinArgs&, int64_t begin, int64_t end, int64_t* bins);
};

}  // namespace fathom::kernels::cpu
