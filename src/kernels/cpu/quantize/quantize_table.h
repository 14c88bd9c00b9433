#pragma once
// Numbers to and from small formats, and what rounding does to them.
#include <cstdint>

#include "kernels/api/quantization_error.h"
#include "kernels/api/quantize.h"

namespace fathom::kernels::cpu {

struct QuantizeTable {
  void (*round_bf16_rows)(const RoundBf16Args&, int64_t begin, int64_t end);
  void (*quantize_tile_rows)(const QuantizeTilesArgs&, int64_t begin, int64_t end);
  void (*quantize_block_rows)(const QuantizeBlocksArgs&, int64_t begin, int64_t end);
  void (*decode_rows)(const DecodeRowsArgs&, int64_t begin, int64_t end);
  void (*cache_store_rows)(const CacheRowsArgs&, int64_t begin, int64_t end);
  void (*cache_load_rows)(const CacheRowsArgs&, int64_t begin, int64_t end);

  // What rounding does to the numbers of a tensor. Blocks are of 128 rows.
  void (*tile_range_blocks)(const TileRangeArgs&, int64_t begin, int64_t end);
  void (*quantization_error_blocks)(const QuantizationErrorArgs&, int64_t begin, int64_t end);
  void (*octave_count_blocks)(const OctaveCountArgs&, int64_t begin, int64_t end);
  void (*magnitude_bin_rows)(const MagnitudeBinArgs&, int64_t begin, int64_t end, int64_t* bins);
};

}  // namespace fathom::kernels::cpu
