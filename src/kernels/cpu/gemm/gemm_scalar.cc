#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/gemm/gemm_table.inl"
