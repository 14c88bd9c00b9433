#include "kernels/cpu/isa/compile_for_avx512.h"
//
#include "kernels/cpu/gemm/gemm_table.inl"
