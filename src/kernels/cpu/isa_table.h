#pragma once
// What one instruction set offers: a name and a function pointer per kernel. One table is filled by
// each kernels_<isa>.cc; ops call through the table that Ctx holds, one call per range of rows.
#include <cstdint>

#include "kernels/api/attention.h"
#include "kernels/api/elementwise.h"
#include "kernels/api/linear.h"
#include "kernels/api/moe.h"
#include "kernels/api/packed.h"
#include "kernels/api/quantize.h"
#include "kernels/api/rmsnorm.h"
#include "kernels/api/rope.h"

namespace fathom::kernels::cpu {

struct GemmTable;
struct PackedTable;
struct TrainingTable;

/// A loop of multiply-adds in registers.
struct PeakKernel {
  float (*run)(int64_t rounds);  // nullptr: the set has no such instruction
  int64_t operations;            // of one round; a multiply-add counts as two
};

struct IsaTable {
  const char* name;
  /// Multiplies BF16 pairs in one instruction: LinearArgs::x may be bf16. The instruction takes
  /// BF16 subnormals (below 2^-126) as zero and flushes f32 subnormal sums; all else is f32
  /// arithmetic.
  bool bf16_dot;

  // Each works on rows [begin, end) of what its name or its struct says.
  void (*linear_rows)(const LinearArgs&, int64_t begin, int64_t end, void* scratch);  // rows of w
  int64_t (*linear_scratch_bytes)(const LinearArgs&);
  void (*linear_transposed_cols)(const LinearTransposedArgs&, int64_t begin, int64_t end);
  void (*round_bf16_rows)(const RoundBf16Args&, int64_t begin, int64_t end);
  void (*quantize_tile_rows)(const QuantizeTilesArgs&, int64_t begin, int64_t end);
  void (*quantize_block_rows)(const QuantizeBlocksArgs&, int64_t begin, int64_t end);
  void (*decode_rows)(const DecodeRowsArgs&, int64_t begin, int64_t end);
  void (*cache_store_rows)(const CacheRowsArgs&, int64_t begin, int64_t end);
  void (*cache_load_rows)(const CacheRowsArgs&, int64_t begin, int64_t end);
  void (*rmsnorm_forward_rows)(const RmsNormForwardArgs&, int64_t begin, int64_t end);
  void (*rope_forward_rows)(const RopeForwardArgs&, int64_t begin, int64_t end);
  void (*attention_tile_units)(const AttentionTileArgs&, int64_t begin, int64_t end,
                               float* scratch);
  void (*silu_mul_rows)(const SiluMulArgs&, int64_t begin, int64_t end);
  void (*add_rows)(const AddArgs&, int64_t begin, int64_t end);
  void (*token_log_probs_rows)(const TokenLogProbsArgs&, int64_t begin, int64_t end);
  void (*moe_route_rows)(const MoeRouteArgs&, int64_t begin, int64_t end, float* scratch);
  void (*combine_rows)(const CombineRowsArgs&, int64_t begin, int64_t end);

  PeakKernel peak_f32, peak_bf16, peak_int8;

  const PackedTable* packed;  // weights packed as integers

  // Training, each compiled by itself: a change there compiles no inference kernel.
  const GemmTable* gemm;
  const TrainingTable* training;
};

/// Output rows of linear_rows and columns of linear_transposed_cols are split in multiples of
/// these.
inline constexpr int64_t kLinearRowGrain = 8;
inline constexpr int64_t kTransposedColGrain = 64;

}  // namespace fathom::kernels::cpu
