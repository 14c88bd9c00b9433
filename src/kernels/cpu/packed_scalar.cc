// The scalar table of packed weights. Compiled for the baseline of the target.
#define FATHOM_ISA scalar
#define FATHOM_HAS_INT8_DOT 0
#include "kernels/cpu/vec_scalar.h"
//
#include "kernels/cpu/packed_table.h"
//
#include "kernels/cpu/common.inl"
//
#include "kernels/cpu/packed.inl"
