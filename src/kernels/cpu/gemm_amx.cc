// The amx table of gemm. src/CMakeLists.txt gives this file its instruction-set flags.
#define FATHOM_ISA amx
#define FATHOM_HAS_TILES
#include "kernels/cpu/vec_avx512.h"
//
#include "kernels/cpu/dot_bf16.h"
//
#include "kernels/cpu/gemm_table.inl"
