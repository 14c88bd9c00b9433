// The avx512_bf16 table. src/CMakeLists.txt gives this file its instruction-set flags.
#define FATHOM_ISA avx512_bf16
#include "kernels/cpu/vec_avx512.h"
//
#include "kernels/cpu/dot_bf16.h"
#include "kernels/cpu/dot_int8.h"
//
#include "kernels/cpu/table.inl"
