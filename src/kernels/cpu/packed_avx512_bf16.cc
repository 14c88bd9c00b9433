// The avx512_bf16 table of inference kernels. src/CMakeLists.txt gives this file its
// instruction-set flags.
#define FATHOM_ISA avx512_bf16
#define FATHOM_HAS_DOTS 1  // of BF16 pairs and of bytes
#include "kernels/cpu/vec_avx512.h"
//
#include "kernels/cpu/dot_bf16.h"
#include "kernels/cpu/dot_int8.h"
//
#include "kernels/cpu/packed_table.inl"
