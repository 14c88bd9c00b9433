// The avx2 table of packed weights. src/CMakeLists.txt gives this file its instruction-set flags.
#define FATHOM_ISA avx2
#define FATHOM_HAS_INT8_DOT 0
#include "kernels/cpu/vec_avx2.h"
//
#include "kernels/cpu/packed_table.h"
//
#include "kernels/cpu/common.inl"
//
#include "kernels/cpu/packed.inl"
