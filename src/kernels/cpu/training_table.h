#pragma once
// What one instruction set offers for the rest of training: gradients of norms, activations, the
// router and the loss; the optimizer. Filled by training_<isa>.cc; reached through
// IsaTable::training.
#include <cstdint>

#include "kernels/api/cross_entropy.h"
#include "kernels/api/gradients.h"
#include "kernels/api/moe_train.h"
#include "kernels/api/optimizer.h"
#include "kernels/api/weighted_silu.h"
#include "kernels/api/quantization_error.h"

namespace fathom::kernels::cpu {

struct TrainingTable {
  const char* name;

  // Each works on [begin, end) of what its name or its struct says: rows, blocks, columns,
  // elements.
  void (*rmsnorm_backward_blocks)(const RmsNormBackwardArgs&, int64_t begin, int64_t end);
  void (*add_row_sums_cols)(const AddRowSumsArgs&, int64_t begin, int64_t end);
  void (*silu_mul_backward_rows)(const SiluMulBackwardArgs&, int64_t begin, int64_t end);
  void (*weighted_silu_mul_rows)(const WeightedSiluMulArgs&, int64_t begin, int64_t end);
  void (*weighted_silu_mul_backward_rows)(const WeightedSiluMulBackwardArgs&, int64_t begin,
                                          int64_t end);
  void (*scatter_add_cols)(const ScatterAddArgs&, int64_t begin, int64_t end);
  void (*cross_entropy_rows)(const CrossEntropyArgs&, int64_t begin, int64_t end);

  void (*router_scores_rows)(const RouterScoresArgs&, int64_t begin, int64_t end);
  void (*count_topk_rows)(const CountTopkArgs&, int64_t begin, int64_t end, int64_t* counts,
                          float* scratch);
  void (*router_entropy_rows)(const RouterEntropyArgs&, int64_t begin, int64_t end);
  void (*router_backward_rows)(const RouterBackwardArgs&, int64_t begin, int64_t end);
  void (*combine_places_rows)(const CombinePlacesArgs&, int64_t begin, int64_t end);
  void (*combine_places_backward_rows)(const CombinePlacesBackwardArgs&, int64_t begin,
                                       int64_t end);

  double (*sum_of_squares)(const float* x, int64_t count);
  bool (*all_finite)(const float* x, int64_t count);
  void (*adamw)(const AdamWArgs&, int64_t begin, int64_t end);
  void (*adamw_bf16)(const AdamWArgs&, int64_t begin, int64_t end);
  void (*ema)(const EmaArgs&, int64_t begin, int64_t end);
  // What rounding does to the numbers of a tensor. Blocks are of 128 rows.
  void (*tile_range_blocks)(const TileRangeArgs&, int64_t begin, int64_t end);
  void (*quantization_error_blocks)(const QuantizationErrorArgs&, int64_t begin, int64_t end);
  void (*octave_count_blocks)(const OctaveCountArgs&, int64_t begin, int64_t end);
  void (*magnitude_bin_rows)(const MagnitudeBinArgs&, int64_t begin, int64_t end, int64_t* bins);
};

}  // namespace fathom::kernels::cpu
