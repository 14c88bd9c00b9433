// The scalar table of training. Compiled for the baseline of the target.
#define FATHOM_ISA scalar
#include "kernels/cpu/vec_scalar.h"
//
#include "kernels/cpu/no_dot_bf16.h"
//
#include "kernels/cpu/training_table.inl"
