#include "kernels/cpu/isa/compile_for_amx.h"
//
#include "kernels/cpu/gemm/gemm_table.inl"
