// The scalar table of gemm. Compiled for the baseline of the target.
#define FATHOM_ISA scalar
#include "kernels/cpu/vec_scalar.h"
//
#include "kernels/cpu/no_dot_bf16.h"
//
#include "kernels/cpu/gemm_table.inl"
