#pragma once
#include "kernels/cpu/quantize/quantization_error.inl"
#include "kernels/cpu/quantize/quantize.inl"
#include "kernels/cpu/quantize/quantize_table.h"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const QuantizeTable kQuantizeTable;
const QuantizeTable kQuantizeTable = {
    .round_bf16_rows = round_bf16_rows,
    .quantize_tile_rows = quantize_tile_rows,
    .quantize_block_rows = quantize_block_rows,
    .decode_rows = decode_rows,
    .cache_store_rows = cache_store_rows,
    .cache_load_rows = cache_load_rows,
    .tile_range_blocks = tile_range_blocks,
    .quantization_error_blocks = quantization_error_blocks,
    .octave_count_blocks = octave_count_blocks,
    .magnitude_bin_rows = magnitude_bin_rows,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
