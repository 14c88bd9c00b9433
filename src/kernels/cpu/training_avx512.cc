// The avx512 table of training. src/CMakeLists.txt gives this file its instruction-set flags.
#define FATHOM_ISA avx512
#include "kernels/cpu/vec_avx512.h"
//
#include "kernels/cpu/no_dot_bf16.h"
//
#include "kernels/cpu/training_table.inl"
