// The avx512_bf16 table of packed weights. src/CMakeLists.txt gives this file its instruction-set
// flags; the set includes VNNI.
#define FATHOM_ISA avx512_bf16
#define FATHOM_HAS_INT8_DOT 1
#include "kernels/cpu/vec_avx512.h"
//
#include "kernels/cpu/dot_int8.h"
#include "kernels/cpu/packed_table.h"
//
#include "kernels/cpu/common.inl"
//
#include "kernels/cpu/packed.inl"
