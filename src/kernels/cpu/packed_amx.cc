// The amx table of inference kernels. src/CMakeLists.txt gives this file its instruction-set flags.
#define FATHOM_ISA amx
#define FATHOM_HAS_DOTS 1  // of BF16 pairs and of bytes
#define FATHOM_HAS_TILES   // and of whole tiles
#include "kernels/cpu/vec_avx512.h"
//
#include "kernels/cpu/dot_bf16.h"
#include "kernels/cpu/dot_int8.h"
//
#include "kernels/cpu/packed_table.inl"
//
#include "kernels/cpu/isa_table.h"
//
#include "kernels/cpu/peak_amx.inl"
