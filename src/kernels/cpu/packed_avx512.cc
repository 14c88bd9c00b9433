// The avx512 table of inference kernels. src/CMakeLists.txt gives this file its instruction-set
// flags.
#define FATHOM_ISA avx512
#define FATHOM_HAS_DOTS 0  // of BF16 pairs and of bytes
#define FATHOM_HAS_PAIRS   // but products of bytes in 16 bits
#include "kernels/cpu/vec_avx512.h"
//
#include "kernels/cpu/pairs_avx512.h"
//
#include "kernels/cpu/packed_table.inl"
